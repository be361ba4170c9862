/** Ways on for accepted mail: to an address by the platform's own event, or into something of the caller's. */
import { parseAddress } from "../model/address.ts";
import type { EdgeDelivery, EdgeMail, EventDelivery, NotDelivered } from "./mail.ts";

/**
 * Forwards to an address that the platform has verified, or to what the function says for each mail. `X-` fields of
 * plugins go along, and nothing else of their changes can.
 *
 * @throws {TypeError} when it is no address.
 * @example
 * ```ts
 * import { forwardTo } from "postern/edge";
 * const all = forwardTo("ann@example.com");
 * const byName = forwardTo(({ recipients }) => `${recipients[0]!.address.local}@example.com`);
 * console.assert(all.carries === byName.carries);
 * ```
 */
export function forwardTo(to: string | ((mail: EdgeMail) => string)): EventDelivery {
  if (typeof to === "string" && parseAddress(to) === null) throw new TypeError(`${JSON.stringify(to)} is no address`);
  return {
    carries: "x-fields",
    async deliver(mail) {
      await mail.forward(typeof to === "string" ? to : to(mail));
    },
  };
}

/**
 * Gives the whole message to a function: into a bucket, a queue, to a web hook. It must be safe there when the function is
 * done; what it throws puts the mail off.
 *
 * @example
 * ```ts
 * import { keep } from "postern/edge";
 * const bucket = new Map<string, Uint8Array>();
 * const kept = keep((mail) => void bucket.set(`inbox/${mail.id}.eml`, mail.content()));
 * console.assert(kept.carries === "message");
 * ```
 */
export function keep(
  store: (mail: EdgeMail) => Promise<readonly NotDelivered[] | void> | readonly NotDelivered[] | void,
): EdgeDelivery {
  return {
    carries: "message",
    async deliver(mail) {
      return await store(mail);
    },
  };
}
