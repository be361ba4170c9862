/** What of the queue is looked at, or changed: a state, a domain, both; as a path and as fields of a form. */
import type { QueueState } from "../../../store/store.ts";
import { type Html, markup } from "../html.ts";

export interface QueueView {
  readonly state?: QueueState | undefined;
  readonly domain?: string | undefined;
}

/** `/queue`, or what lies below it, for a filter. */
export function queuePath({ state, domain }: QueueView, below = ""): string {
  const query = new URLSearchParams();
  if (state !== undefined) query.set("state", state);
  if (domain !== undefined) query.set("domain", domain);
  return `/queue${below}${query.size > 0 ? `?${query}` : ""}`;
}

/** The fields of a form that changes all that match. */
export function filterFields({ state, domain }: QueueView): Html {
  return markup`${state !== undefined && markup`<input type="hidden" name="state" value="${state}">`}${
    domain !== undefined && markup`<input type="hidden" name="domain" value="${domain}">`
  }`;
}
