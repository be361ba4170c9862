/**
 * What a sender asks of TLS on the way: REQUIRETLS of MAIL, or `TLS-Required: No` in the header (RFC 8689). The header
 * is read again at each delivery, as the message then stands. Non-job: obeying it (delivery).
 */
import type { MailParameters } from "./envelope.ts";

/**
 * `required`: only over TLS to a host that was verified, and only to one that says REQUIRETLS. `optional`: delivery
 * matters more than TLS, whatever DANE or MTA-STS of the recipient say. `usual`: nothing was asked.
 */
export type TlsWish = "required" | "optional" | "usual";

/** Of two wishes REQUIRETLS counts (RFC 8689 4.1); a field that says anything but `No`, or says it twice, says nothing. */
export function tlsWish(
  parameters: Pick<MailParameters, "requireTls">,
  headers: readonly { readonly name: string; readonly value: string }[],
): TlsWish {
  if (parameters.requireTls) return "required";
  const [field, second] = headers.filter(({ name }) => name.toLowerCase() === "tls-required");
  return second === undefined && field?.value.trim().toLowerCase() === "no" ? "optional" : "usual"; //   RFC 8689 5
}
