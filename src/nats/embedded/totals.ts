/** Counters of a server's life: connections that are gone keep counting. */

export interface Traffic {
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
}

export class Totals implements Traffic {
  connections = 0;
  slowConsumers = 0;
  inMessages = 0;
  inBytes = 0;
  outMessages = 0;
  outBytes = 0;
  /** How often each monitoring page was asked for. */
  readonly requests = new Map<string, number>();

  /** Counts a request for a monitoring page. */
  count(path: string): void {
    this.requests.set(path, (this.requests.get(path) ?? 0) + 1);
  }

  /** Keeps what a connection has moved. */
  add(traffic: Traffic): void {
    this.inMessages += traffic.inMessages;
    this.inBytes += traffic.inBytes;
    this.outMessages += traffic.outMessages;
    this.outBytes += traffic.outBytes;
  }

  /** These and others together. */
  plus(others: Iterable<Traffic>): Totals {
    const sum = new Totals();
    sum.connections = this.connections;
    sum.slowConsumers = this.slowConsumers;
    sum.add(this);
    for (const traffic of others) sum.add(traffic);
    return sum;
  }
}
