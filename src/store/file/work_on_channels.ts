/** Work on channels that goes on beside everything else: a deletion waits for what has begun, and nothing more begins. */

export class WorkOnChannels {
  readonly #running = new Map<object, Promise<void>>();
  readonly #going = new WeakSet<object>();

  /** Whether the channel is being deleted, or is gone: nothing is to be done for it any more. */
  isGoing(channel: object): boolean {
    return this.#going.has(channel);
  }

  /** Works on a channel, after what others do there; not at all where it is being deleted by then. */
  async on(channel: object, work: () => Promise<void>): Promise<void> {
    const before = this.#running.get(channel) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(() => this.isGoing(channel) ? undefined : work());
    this.#running.set(channel, mine);
    try {
      await mine;
    } finally {
      if (this.#running.get(channel) === mine) this.#running.delete(channel);
    }
  }

  /** Lets nothing more begin there, and deletes the channel when nothing goes on. */
  async end(channel: object, deletion: () => Promise<void>): Promise<void> {
    this.#going.add(channel);
    await this.#running.get(channel)?.catch(() => {});
    try {
      await deletion();
    } catch (error) {
      this.#going.delete(channel);
      throw error;
    }
  }
}
