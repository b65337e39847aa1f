/** Subscriptions that nothing remembers: for stores that do not outlive the process, and where the cluster's log remembers them. */
import type { SubscriptionLog } from "../ports/store.ts";

export const forgetfulSubscriptions: SubscriptionLog = {
  create(_state) {},
  update(_state) {},
  delete(_id) {},
  addPending(_id, _sequence) {},
  acknowledge(_id, _sequence) {},
  flush() {},
};
