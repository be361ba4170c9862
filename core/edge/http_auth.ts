/**
 * Who may post mail: a shared secret as bearer or as the password of Basic (RFC 6750, RFC 7617), or a signature of the
 * request (HMAC-SHA256 over `id.timestamp.body`, as the Standard Webhooks specification has it; core/webhooks makes the
 * same). Compares in constant time. Non-job: TLS, where the secret is kept.
 */

/** One of three ways, or an open door on purpose. */
export type HttpAuth =
  /** `Authorization: Bearer SECRET`, or Basic with the secret as password: the only way of services that know a URL alone. */
  | { readonly secret: string }
  /** `whsec_` and base64: the headers webhook-id, webhook-timestamp and webhook-signature. Several while keys change. */
  | { readonly signed: readonly string[] }
  /** Whoever reaches it may post: something in front of it checks. */
  | "anybody";

const MOST_AGE = 300; // seconds that a signature holds, either way
const utf8 = new TextEncoder();

/** @throws {TypeError} for a secret that is none: too short, or with characters that no header carries. */
export function checkAuth(auth: HttpAuth): void {
  if (auth === "anybody") return;
  if ("secret" in auth) {
    if (!/^[!-~]{16,}$/.test(auth.secret)) throw new TypeError("auth.secret: 16 characters at least, no spaces");
    return;
  }
  if (auth.signed.length === 0) throw new TypeError("auth.signed: no key");
  for (const key of auth.signed) keyOf(key);
}

/** True when the headers alone show it; null: the body has to be read first. */
export async function byHeaders(
  headers: Headers,
  { auth, now }: { readonly auth: HttpAuth; readonly now: number },
): Promise<boolean | null> {
  if (auth === "anybody") return true;
  if ("signed" in auth) return signedPart(headers, now) === null ? false : null; // nobody's body is read for nothing
  const given = headers.get("authorization") ?? "", [, scheme = "", text = ""] = /^(\w+) +(\S+)$/.exec(given) ?? [];
  if (scheme.toLowerCase() === "bearer") return await isSame(text, auth.secret);
  if (scheme.toLowerCase() !== "basic") return false;
  try {
    const decoded = new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
    return await isSame(decoded.slice(decoded.indexOf(":") + 1), auth.secret);
  } catch {
    return false;
  }
}

/** What is signed beside the body, and the signatures; null where they can be none, or are too old or too new. */
function signedPart(headers: Headers, now: number): { readonly front: string; readonly macs: Uint8Array[] } | null {
  const id = headers.get("webhook-id"), timestamp = headers.get("webhook-timestamp");
  if (id === null || id.length > 256 || timestamp === null || !/^\d{1,12}$/.test(timestamp)) return null;
  if (Math.abs(now / 1000 - Number(timestamp)) > MOST_AGE) return null;
  const signatures = (headers.get("webhook-signature") ?? "").slice(0, 1000).split(" ").slice(0, 10);
  const macs = signatures.flatMap((each) => {
    const [, base64] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(each) ?? [];
    return base64 === undefined ? [] : [Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))];
  });
  return macs.length === 0 ? null : { front: `${id}.${timestamp}.`, macs };
}

/** Whether one of the keys signed these octets a moment ago. `now`: milliseconds since 1970. */
export async function bySignature(
  headers: Headers,
  octets: Uint8Array<ArrayBuffer>,
  { keys, now }: { readonly keys: readonly string[]; readonly now: number },
): Promise<boolean> {
  const part = signedPart(headers, now);
  if (part === null) return false;
  const front = utf8.encode(part.front), text = new Uint8Array(front.length + octets.length);
  text.set(front);
  text.set(octets, front.length);
  let good = false;
  for (const each of keys) {
    const key = await crypto.subtle.importKey("raw", keyOf(each), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, text)); // once, however many signatures are shown
    for (const shown of part.macs) if (isEqual(shown, mac)) good = true;
  }
  return good;
}

/** @throws {TypeError} when it is none. */
function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const [, base64] = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/.exec(secret) ?? [];
  try {
    if (base64 !== undefined) return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch { /* below */ }
  throw new TypeError("auth.signed: a key is whsec_ and base64 of 24 to 64 octets");
}

/** In a time that tells nothing of where they differ, nor of how long the secret is. */
async function isSame(given: string, secret: string): Promise<boolean> {
  const [a, b] = await Promise.all([given, secret].map((each) => crypto.subtle.digest("SHA-256", utf8.encode(each))));
  return isEqual(new Uint8Array(a!), new Uint8Array(b!));
}

/** Both of one length. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  let different = 0;
  for (let at = 0; at < left.length; at++) different |= left[at]! ^ right[at]!;
  return different === 0;
}
