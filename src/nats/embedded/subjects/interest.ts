/** What the subject tree holds: who wants messages of a subject, here or on another server. */
import type { Place } from "./subject_tree.ts";

/** Somebody's wish for the messages of a subject. Subjects and queue names hold one byte a character. */
export abstract class Interest {
  readonly subject: string;
  /** Members of one queue group share its messages. */
  readonly queue: string | undefined;
  /** Where the tree keeps this interest; the tree's own. */
  place: Place | undefined = undefined;
  /** Index in the list at `place`; the tree's own. */
  index = -1;

  /** Whether it is another server's. */
  readonly remote: boolean;

  constructor(subject: string, queue: string | undefined, remote: boolean) {
    this.remote = remote;
    this.subject = subject;
    this.queue = queue;
  }

  /** Whether the tree holds it. */
  get active(): boolean {
    return this.place !== undefined;
  }
}

/** Another server's interest: one per route, subject and queue group, however many subscriptions it stands for. */
export class RemoteInterest<Route> extends Interest {
  readonly route: Route;
  /** How many members of the queue group are there; 1 without a group. Change it through `SubjectTree.setWeight`. */
  weight: number;

  constructor(route: Route, subject: string, queue: string | undefined, weight: number) {
    super(subject, queue, true);
    this.route = route;
    this.weight = weight;
  }
}
