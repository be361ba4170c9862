/**
 * Tokens of the admin site as the configuration gives them: by themselves, in a file, or as their SHA-256, which is all that
 * is kept. Non-job: which route asks for which scope, finding out whose token a request carries (core/admin/access).
 */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { z } from "zod";
import type { Faults } from "./faults.ts";
import { network } from "./values.ts";

/**
 * `read`: look at everything but what mails say. `messages`: what mails say, and the inbox. `queue`: steer the queue, the
 * lists of suppressed addresses and banned clients, teach. `send`: bring in mail. `admin`: reload, forget, and all that
 * is not named here.
 */
export const SCOPES = ["read", "messages", "queue", "send", "admin"] as const satisfies readonly Scope[];
/** What a token may do. */
export type Scope = "read" | "messages" | "queue" | "send" | "admin";

/** A token that may do something. */
export interface AccessToken {
  /** By which the audit knows it. */
  readonly name: string;
  /** Of its UTF-8 octets, 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  /** What it may do. */
  readonly scopes: readonly Scope[];
  /** From where it may be used, as `new Networks` reads them; null: from everywhere. */
  readonly networks: readonly string[] | null;
  /** In whose name it sends: what plugins see as the client's login. */
  readonly account: string;
}

/** The name of `admin.token`. */
export const ADMIN = "admin";
/** Names that the audit has for others. */
const TAKEN = new Set([ADMIN, "anyone"]);
const SHORTEST = 16;
const TOO_SHORT = `must have at least ${SHORTEST} characters`;

export const Token = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/, { error: "must be letters, digits, - and _" })
    .describe("By which the audit knows it."),
  token: z.string().min(SHORTEST, { error: TOO_SHORT }).optional().describe("The token."),
  tokenFile: z.string().min(1).optional().describe("Or a file that holds it."),
  sha256: z.string().regex(/^[0-9a-f]{64}$/i, { error: "must be 64 hexadecimal digits" }).optional()
    .describe("Or its SHA-256 in hexadecimal digits."),
  scopes: z.array(z.enum(SCOPES)).min(1).describe("What it may do."),
  networks: z.array(network).min(1).optional().describe("From where it may be used; from everywhere unless given."),
  account: z.string().min(1).max(320).optional()
    .describe("In whose name it sends, as a login that plugins see; its own name unless given."),
});

/** The SHA-256 of a token, 64 hexadecimal digits. */
export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** The tokens, each fault with its place. `main` is `admin.token`. */
export function readTokens(
  written: readonly z.output<typeof Token>[],
  { base, faults, main }: { readonly base: string; readonly faults: Faults; readonly main: string | null },
): AccessToken[] {
  const tokens: AccessToken[] = [];
  const names = new Set(TAKEN), digests = new Set(main === null ? [] : [digestOf(main)]);
  for (const [index, each] of written.entries()) {
    const { name, scopes, networks = null, account = name } = each, path = ["admin", "tokens", index];
    if (TAKEN.has(name)) faults.add([...path, "name"], `"${name}" is the name of another one here`);
    else if (names.has(name)) faults.add([...path, "name"], `"${name}" stands here twice`);
    names.add(name);
    const sha256 = readDigest(each, (key, message) => faults.add([...path, ...key], message), base);
    if (sha256 === null) continue;
    if (digests.has(sha256)) faults.add(path, "is the same token as another one");
    digests.add(sha256);
    tokens.push({ name, sha256, scopes: [...new Set(scopes)], networks, account });
  }
  return tokens;
}

function readDigest(
  { token, tokenFile, sha256 }: z.output<typeof Token>,
  fault: (key: readonly string[], message: string) => void,
  base: string,
): string | null {
  if ([token, tokenFile, sha256].filter((each) => each !== undefined).length !== 1) {
    fault([], "needs one of token, tokenFile and sha256");
    return null;
  }
  if (sha256 !== undefined) return sha256.toLowerCase();
  if (token !== undefined) return digestOf(token);
  let text: string;
  try {
    text = Deno.readTextFileSync(resolve(base, tokenFile!)).trim();
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound;
    fault(["tokenFile"], absent ? "there is no such file" : `cannot be read: ${(error as Error).message}`);
    return null;
  }
  if (text.length >= SHORTEST) return digestOf(text);
  fault(["tokenFile"], `what it holds ${TOO_SHORT}`);
  return null;
}
