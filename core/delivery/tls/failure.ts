/** What can go wrong with the TLS of a delivery, in the words of RFC 8460 4.3, so that reports and logs say the same. */

/** Result types of RFC 8460 4.3.1 (negotiation) and 4.3.2 (policy). */
export type TlsFailureType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure"
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "dane-required"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

export interface TlsFailure {
  readonly type: TlsFailureType;
  /** One line for the log and for whoever reads the report; no text of the peer without its being bounded. */
  readonly text: string;
}
