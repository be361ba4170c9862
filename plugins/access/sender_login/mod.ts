/**
 * Binds what a client sends to who it is logged in as: MAIL FROM at MAIL (553 5.7.1), From and Sender after the content
 * (550 5.7.1); RFC 6409 6.1, case 41. Without a login it says nothing: who must log in is the listener's word.
 * Non-job: whether the addresses exist, whether the header is sane (headers).
 */
import { z } from "zod";
import {
  type Address,
  type AddressPattern,
  type Context,
  definePlugin,
  DomainSet,
  formatAddress,
  type Host,
  isNameOrDetail,
  type Lasting,
  mailboxesIn,
  type Message,
  parseAddress,
  parseAddressPattern,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { ACCOUNT } from "../../auth/accounts/key.ts";

const pattern = z.string().refine((text) => parseAddressPattern(text, "") !== null, {
  error: (issue) => `"${issue.input}" is no address and no pattern like *@example.org`,
});

const Options = z.strictObject({
  map: z.record(z.string().min(1), z.array(pattern)).default({})
    .describe("What a login may send as besides its own address"),
  anyone: z.array(z.string().min(1)).default([]).describe("Logins that may send as anybody"),
  separator: z.string().max(1).default("+").describe(
    "What parts a local part from a detail of its owner's; empty: nothing",
  ),
  header: z.enum(["reject", "off"]).default("reject").describe("Bind From and Sender of the header too"),
  nullSender: z.enum(["allow", "reject"]).default("allow").describe("MAIL FROM:<> by a login"),
});

const NO_NULL_SENDER = reject("5.7.1", "The null sender is not for mail programs", { code: 553 });
const NO_HEADER = reject("5.6.0", "A line of the header is no field: nobody could say who the author is");
const NO_FROM = reject("5.6.0", "There is no From field (RFC 5322 3.6)");
const NO_ADDRESS = {
  from: reject("5.6.0", "The From field names no address, or cannot be read (RFC 5322 3.6.2)"),
  sender: reject("5.6.0", "The Sender field names no address, or cannot be read (RFC 5322 3.6.2)"),
};

/**
 * Lets nobody send as somebody else.
 *
 * @example
 * ```ts
 * import { sender_login } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plugin = sender_login({ map: { bob: ["info@example.org"] } });
 * const code = async (from: string) => (await runPhase(plugin, "mail", { identity: "bob", from })).reply.code;
 * assertEquals([await code("bob@example.org"), await code("info@example.org"), await code("eve@example.org")], [250, 250, 553]);
 * ```
 */
export const sender_login: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "sender_login",
  bindsSender: true,
  options: Options,
  roles: ["submission"],
  create({ map, anyone, separator, header, nullSender }) {
    const everybody = new Set(anyone.map((login) => login.toLowerCase()));
    const listed = new Map(Object.entries(map).map(([login, texts]) => [login.toLowerCase(), patterns(texts)]));
    const known = new WeakMap<readonly string[], readonly AddressPattern[]>();

    function patterns(texts: readonly string[]): readonly AddressPattern[] {
      return texts.map((text) => parseAddressPattern(text, separator)).filter((each) => each !== null);
    }
    /** What the account says; what of it is no pattern allows nothing. */
    function ofAccount(senders: readonly string[]): readonly AddressPattern[] {
      let found = known.get(senders);
      if (found === undefined) known.set(senders, found = patterns(senders));
      return found;
    }
    function may(address: Address, login: string, ctx: Context<Lasting>): boolean {
      const name = login.toLowerCase();
      return everybody.has(name) || isOwn(address, login, ctx.host, separator) ||
        (listed.get(name)?.some((allows) => allows(address)) ?? false) ||
        ofAccount(ctx.get(ACCOUNT)?.senders ?? []).some((allows) => allows(address));
    }

    return {
      mail(ctx, next) {
        const { client: { identity }, sender } = ctx;
        if (identity === null) return next();
        if (sender === null) return nullSender === "allow" ? next() : NO_NULL_SENDER;
        if (!may(sender, identity, ctx)) return refusal(sender, "sender address", identity, 553);
        ctx.note(`${identity} may send as ${formatAddress(sender)}`);
        return next();
      },
      ...(header === "off" ? {} : {
        data(ctx, next) {
          const { identity } = ctx.client;
          if (identity === null || everybody.has(identity.toLowerCase())) return next();
          const authors = authorsOf(ctx.message);
          if (!Array.isArray(authors)) return authors;
          const other = authors.find(({ address }) => !may(address, identity, ctx));
          return other === undefined ? next() : refusal(other.address, `address in ${other.field}`, identity, 550);
        },
      }),
    };
  },
});

/** The login as an address, or at each local domain when it is a bare name. */
function isOwn(address: Address, login: string, host: Host, separator: string): boolean {
  if (!login.includes("@")) {
    return DomainSet.of(host.domains).has(address.domain) &&
      isNameOrDetail(address.local, login.toLowerCase(), separator);
  }
  const own = parseAddress(login);
  return own !== null && own.domain === address.domain &&
    isNameOrDetail(address.local, own.local.toLowerCase(), separator);
}

interface Author {
  readonly field: "From" | "Sender";
  readonly address: Address;
}

/** Every address in every From and Sender, as any reader might find it; the refusal where that cannot be known. */
function authorsOf(message: Message): Author[] | Reply<"reject"> {
  if (message.malformed) return NO_HEADER;
  const authors: Author[] = [];
  for (const { name, value } of message.headers) {
    const lower = name.toLowerCase();
    if (lower !== "from" && lower !== "sender") continue;
    const addresses = mailboxesIn(value);
    if (addresses === null || addresses.length === 0) return NO_ADDRESS[lower];
    for (const address of addresses) authors.push({ field: lower === "from" ? "From" : "Sender", address });
  }
  return authors.some(({ field }) => field === "From") ? authors : NO_FROM;
}

function refusal(address: Address, what: string, login: string, code: 550 | 553): Reply<"reject"> {
  const text = formatAddress(address);
  return reject("5.7.1", `The ${what} ${text} is not yours`, { code, reason: `${login} may not send as ${text}` });
}
