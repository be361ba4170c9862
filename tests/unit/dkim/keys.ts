/** Keys for tests: those of RFC 8463's example (appendix A), and new ones. */
import { octets } from "../../support/bytes.ts";
import { PrivateKey } from "../../../core/dkim/private_key.ts";

/** RFC 8463 A.2: the seed of the Ed25519 key. */
const SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

/** PEM of these octets. */
export function pem(label: string, body: Uint8Array): string {
  const lines = body.toBase64().replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** RFC 8410 10.3: PKCS#8 of an Ed25519 key. */
export function ed25519Pem(seed: Uint8Array): string {
  const front = Uint8Array.fromHex("302e020100300506032b657004220420");
  return pem("PRIVATE KEY", octets(String.fromCharCode(...front, ...seed)));
}

export const RFC_ED25519_PEM = ed25519Pem(Uint8Array.fromBase64(SEED));
export const RFC_ED25519: PrivateKey = PrivateKey.parse(RFC_ED25519_PEM);

/** PKCS#8 of a new RSA key. */
export async function rsaPkcs8(bits: number): Promise<Uint8Array> {
  const { privateKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: bits, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  return new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
}
