/**
 * Whether what came of STARTTLS satisfies the demand, and if not, what to do: send all the same, connect again without
 * TLS, or not to this host. Pure. Non-job: the demand (policy.ts), the handshake (core/net/tls/client_tls.ts).
 */
import { createHash } from "node:crypto";
import { defer, reject, type Reply } from "../../model/reply.ts";
import { type Certificate, publicKeyOf, readCertificate } from "../../net/tls/certificate.ts";
import type { ServerPeer } from "../../net/tls/client_tls.ts";
import { isExpectedName, namesIn } from "../../net/tls/reference_name.ts";
import { daneFailure } from "./dane.ts";
import type { TlsFailure } from "./failure.ts";
import type { CertificateCheck, TlsDemand } from "./policy.ts";

/**
 * `missing`: EHLO did not offer STARTTLS. `refused`: it was offered, and answered with something else than 220.
 * `failed`: the handshake broke. `untried`: this host is known to break it (broken.ts).
 */
export type TlsAttempt =
  | { readonly kind: "missing" | "untried" }
  | { readonly kind: "refused" | "failed"; readonly text: string }
  | { readonly kind: "secured"; readonly peer: Pick<ServerPeer, "chain" | "distrust"> };

export interface TlsVerdict {
  /**
   * `send`: go on, on this connection. `clear`: this connection is lost; connect to the host again without STARTTLS, and
   * remember it in `BrokenTls` when the handshake failed. `refuse`: QUIT, and no message of this kind to this host.
   */
  readonly next: "send" | "clear" | "refuse";
  /** For the log, and for the Received field of the next host to be believed. */
  readonly strength: "none" | "encrypted" | "verified";
  /** With `refuse`: what stands for this host when no other takes it. */
  readonly reply: Reply | null;
  /** What TLSRPT counts this session as; null: a success. Set with `send` too, where nothing may be refused for it. */
  readonly failure: TlsFailure | null;
}

/** `now`: milliseconds since 1970. `host`: for the texts. */
export function verdictOf(
  demand: TlsDemand,
  attempt: TlsAttempt,
  options: { readonly now: number; readonly host: string },
): TlsVerdict {
  const { host } = options;
  if (demand.tls === "never") return { next: "send", strength: "none", reply: null, failure: null };
  if (attempt.kind === "secured") return secured(demand, attempt.peer, options);
  const failure = failureOf(attempt, host);
  if (demand.tls === "may") {
    const lost = attempt.kind === "failed";
    return { next: lost ? "clear" : "send", strength: "none", reply: null, failure };
  }
  const { kind } = attempt;
  const reply = kind === "failed" || kind === "untried"
    ? defer("4.7.5", failure.text)
    : demand.requireTls && kind === "missing"
    ? reject("5.7.10", failure.text) // the host will not learn it by tomorrow                           RFC 8689 4.2.1
    : defer("4.7.4", failure.text);
  return { next: "refuse", strength: "none", reply, failure };
}

function secured(
  demand: TlsDemand,
  peer: Pick<ServerPeer, "chain" | "distrust">,
  { now, host }: { readonly now: number; readonly host: string },
): TlsVerdict {
  let counted: TlsFailure | null = null, proven = false;
  if (demand.checks.length > 0) {
    const shown = new Shown(peer);
    for (const check of demand.checks) {
      const failure = checkFailure(check, shown, now);
      counted ??= failure;
      if (failure === null) proven = true;
      else if (!check.lenient) {
        const reply = defer("4.7.5", `${host}: ${failure.text}`);
        return { next: "refuse", strength: "none", reply, failure };
      }
    }
  }
  return { next: "send", strength: proven ? "verified" : "encrypted", reply: null, failure: counted };
}

/** What the server showed, read once and only as far as somebody asks. */
class Shown {
  readonly distrust: string | null;
  readonly chain: readonly Uint8Array<ArrayBuffer>[];
  constructor(peer: Pick<ServerPeer, "chain" | "distrust">) {
    this.chain = peer.chain();
    this.distrust = peer.distrust;
  }
  certificate(): Certificate | null {
    try {
      return this.chain[0] === undefined ? null : readCertificate(this.chain[0]);
    } catch {
      return null;
    }
  }
}

function checkFailure(check: CertificateCheck, shown: Shown, now: number): TlsFailure | null {
  switch (check.kind) {
    case "dane":
      return daneFailure(shown.chain, check, now);
    case "web": {
      const failure = webFailure(check.names, shown);
      // What a web certificate lacks is the policy's failure where a policy asked for it               RFC 8460 4.3.2.2
      return failure?.type === "certificate-not-trusted" && check.sts
        ? { type: "sts-webpki-invalid", text: failure.text }
        : failure;
    }
    case "fingerprint": {
      const [own] = shown.chain;
      const found = own === undefined ? [] : fingerprintsOf(own);
      if (check.fingerprints.some((each) => found.includes(each))) return null;
      return { type: "validation-failure", text: "the certificate has none of the fingerprints that the rule names" };
    }
  }
}

function webFailure(names: readonly string[], shown: Shown): TlsFailure | null {
  const { distrust } = shown;
  if (names.length === 0) return { type: "validation-failure", text: "the host is not in the MTA-STS policy" };
  if (distrust === "CERT_HAS_EXPIRED" || distrust === "CERT_NOT_YET_VALID") {
    return { type: "certificate-expired", text: "the certificate has expired" };
  }
  if (distrust !== null) return { type: "certificate-not-trusted", text: `no authority vouches for it: ${distrust}` };
  const certificate = shown.certificate();
  if (certificate !== null && isExpectedName(namesIn(certificate), names)) return null;
  return { type: "certificate-host-mismatch", text: `the certificate is not for ${names.join(" or ")}` };
}

function fingerprintsOf(octets: Uint8Array<ArrayBuffer>): readonly string[] {
  const sha256 = (part: Uint8Array) => createHash("sha256").update(part).digest("hex").toUpperCase();
  try {
    return [sha256(octets), sha256(publicKeyOf(octets))];
  } catch {
    return [sha256(octets)];
  }
}

function failureOf(attempt: Exclude<TlsAttempt, { kind: "secured" }>, host: string): TlsFailure {
  switch (attempt.kind) {
    case "missing":
      return { type: "starttls-not-supported", text: `${host} does not offer STARTTLS` };
    case "refused":
      return { type: "starttls-not-supported", text: `${host} refused STARTTLS: ${attempt.text}` };
    case "untried":
      return { type: "validation-failure", text: `the TLS of ${host} was broken within a day` };
    case "failed":
      return { type: "validation-failure", text: `the TLS handshake with ${host} failed: ${attempt.text}` };
  }
}
