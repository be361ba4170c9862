/**
 * Who is behind which address: mailboxes, aliases and catch-alls of an import, as the tables of the plugin `recipients`.
 * The first word about a name counts. Non-job: what a table of another program means (postfix/, haraka/).
 */
import { canonicalDomain, parseAddress } from "../../core/pipeline/mod.ts";
import { type Origin, placeOf } from "./draft.ts";

/** Where a mailbox's mail goes: a storage plugin, or a next hop (null: where the domain's MX records lead). */
export type Store = { readonly plugin: string } | { readonly via: string | null };

interface Account {
  readonly name: string;
  readonly store: Store | null;
  readonly from: Origin;
}
interface Alias {
  readonly name: string;
  readonly targets: readonly string[];
  readonly from: Origin;
}

/** A text that can be a name or an address in the tables, in lower case; null where it is none. */
export function nameIn(text: string): string | null {
  const at = text.lastIndexOf("@");
  if (at < 0) return parseAddress(`${text}@localhost`) === null ? null : text.toLowerCase();
  const domain = canonicalDomain(text.slice(at + 1));
  if (domain === null) return null;
  if (at === 0) return `@${domain}`;
  return parseAddress(`${text.slice(0, at)}@${domain}`) === null
    ? null
    : `${text.slice(0, at).toLowerCase()}@${domain}`;
}

export class Book {
  readonly accounts = new Map<string, Account>();
  readonly aliases = new Map<string, Alias>();
  /** Domain to where every name leads that it does not have. */
  readonly catchAll = new Map<string, Alias>();
  /** Domains in which names without a domain mean nothing. */
  readonly virtual = new Map<string, Origin>();

  get empty(): boolean {
    return this.accounts.size + this.aliases.size + this.catchAll.size === 0;
  }

  account(name: string, store: Store | null, from: Origin): void {
    if (!this.accounts.has(name)) this.accounts.set(name, { name, store, from });
  }
  alias(name: string, targets: readonly string[], from: Origin): void {
    if (targets.length > 0 && !this.aliases.has(name)) {
      this.aliases.set(name, { name, targets: [...new Set(targets)], from });
    }
  }
  catchesAll(domain: string, targets: readonly string[], from: Origin): void {
    if (targets.length > 0 && !this.catchAll.has(domain)) this.catchAll.set(domain, { name: domain, targets, from });
  }

  /** Whether somebody without a domain has that name. */
  knows(name: string): boolean {
    return this.accounts.has(name) || this.aliases.has(name);
  }

  /** The tables as the file that `recipients` reads: a line an entry, its origin behind it. */
  toYaml(): string {
    const lines = ["# Who is behind which address: docs/plugins.md, recipients"];
    const section = (title: string, entries: Iterable<readonly [string, string, Origin]>) => {
      let first = true;
      for (const [key, value, from] of entries) {
        if (first) lines.push(`${title}:`);
        first = false;
        lines.push(`  ${quoted(key)}:${value === "" ? "" : ` ${value}`} # ${placeOf(from)}`);
      }
    };
    section("accounts", this.accounts.values().map(({ name, store, from }) => [name, storeText(store), from] as const));
    section(
      "aliases",
      this.aliases.values().map(({ name, targets, from }) => [name, targetsText(targets), from] as const),
    );
    section(
      "catchAll",
      this.catchAll.values().map(({ name, targets, from }) => [name, targetsText(targets), from] as const),
    );
    section("virtual", this.virtual.entries().map(([domain, from]) => [domain, "{}", from] as const));
    return `${lines.join("\n")}\n`;
  }

  /** Next hops that mailboxes name. */
  get hops(): Set<string> {
    return new Set(
      [...this.accounts.values()].flatMap(({ store }) => store && "via" in store && store.via ? [store.via] : []),
    );
  }
}

const PLAIN = /^[a-z][a-z0-9._+-]*(?:@[a-z0-9][a-z0-9.-]*)?$/;
const WORDS = new Set(["null", "true", "false", "yes", "no", "on", "off"]);

/** YAML of a name: quoted where it would be another thing. */
function quoted(text: string): string {
  return PLAIN.test(text) && !WORDS.has(text) ? text : JSON.stringify(text);
}
function targetsText(targets: readonly string[]): string {
  return targets.length === 1 ? quoted(targets[0]!) : `[${targets.map(quoted).join(", ")}]`;
}
function storeText(store: Store | null): string {
  if (store === null) return "";
  if ("plugin" in store) return quoted(store.plugin);
  return `{ store: { to: remote${store.via === null ? "" : `, via: ${quoted(store.via)}`} } }`;
}
