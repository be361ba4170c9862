/**
 * Sending a message of the dev inbox on to a real address: only where the configuration allows it (admin.release), as a
 * new message of the queue. Non-job: the way there (core/sending.ts), the audit (access/).
 */
import { type Address, formatAddress, parseAddress } from "../../model/address.ts";
import { parseAddressPattern } from "../../model/address_pattern.ts";
import type { Store } from "../../store/store.ts";
import type { Releasing } from "../options.ts";
import { readCopyId } from "../parameters.ts";
import { Problem } from "../problem.ts";

/**
 * Puts a message into the queue for an address. The id that it has there.
 *
 * @throws {Problem} 409 where nothing leaves, 400 for what is no address, 403 for one that is not allowed, 404
 */
export async function release(
  { store, releasing }: { readonly store: Store; readonly releasing: Releasing | null },
  { id, to }: { readonly id: string; readonly to: unknown },
): Promise<{ readonly id: string; readonly to: string }> {
  if (releasing === null) {
    throw new Problem(409, "Nothing leaves this inbox: allow addresses in the configuration (admin.release.to).");
  }
  const address = allowed(to, releasing.to);
  const copy = readCopyId(id), found = copy === null ? null : await store.inboxes.get(copy);
  const sent = found === null ? null : await releasing.send(found.message, address);
  if (sent === null) throw new Problem(404, "That message is not here; it may have been deleted.");
  return { id: sent, to: formatAddress(address) };
}

function allowed(to: unknown, patterns: readonly string[]): Address {
  const address = typeof to === "string" && to.length <= 320 ? parseAddress(to.trim()) : null;
  if (address === null || address.domain === "") throw new Problem(400, "to is an address like you@example.org.");
  if (patterns.some((pattern) => parseAddressPattern(pattern)?.(address))) return address;
  throw new Problem(
    403,
    `${formatAddress(address)} is none of the addresses that mail may be sent on to: ${patterns.join(", ")}.`,
  );
}
