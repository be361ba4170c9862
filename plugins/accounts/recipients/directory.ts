/**
 * Who is behind an address of a local domain: tables in memory, asked once per recipient, one step each way.
 * Names are compared without case (RFC 5321 2.4 leaves that to the host that owns the domain) and only ever used as keys
 * of a Map. Non-job: where tables come from (build.ts), what is done with an answer (mod.ts).
 */
import { type Address, DomainSet, type Host, type PluginRoute, sameAddress } from "../../../core/pipeline/mod.ts";

/** Where an alias leads. An empty domain stands for the domain that was named, an empty local part likewise. */
export type Targets = readonly Address[];

/** The names of one domain; of all local domains in the shared one. */
export class Section {
  readonly accounts = new Map<string, PluginRoute>();
  readonly aliases = new Map<string, Targets>();
  catchAll: Targets | null = null;
  /** A domain of its own, in which the shared names mean nothing. */
  virtual = false;
}

export type Found =
  /** `mailbox` is the one address of this account; `detail` what stood behind the separator. */
  | { readonly kind: "account"; readonly mailbox: Address; readonly route: PluginRoute; readonly detail: string }
  /** `targets` is the same object each time the same alias is found. */
  | { readonly kind: "alias"; readonly members: readonly Address[]; readonly targets: Targets };

const ASCII = /^[\x00-\x7f]*$/;

/** The form in which local parts of ours are compared: no case, one coding for each character. */
export function fold(local: string): string {
  return (ASCII.test(local) ? local : local.normalize("NFC")).toLowerCase();
}

export class Directory {
  readonly shared = new Section();
  readonly domains = new Map<string, Section>();

  /**
   * @param separators Characters of which each may begin the detail of an address.
   * @param home The domain of accounts without one, when the operator named it.
   */
  constructor(readonly separators: string, readonly home: string | null) {}

  section(domain: string): Section {
    if (domain === "") return this.shared;
    let section = this.domains.get(domain);
    if (section === undefined) this.domains.set(domain, section = new Section());
    return section;
  }

  /** The storage plugins that accounts name, each once. */
  get stores(): string[] {
    return [...new Set(this.#routes().flatMap((route) => route.to === "local" ? [route.plugin] : []))];
  }

  /** The next hops that accounts name, each once. */
  get nextHops(): string[] {
    const named = this.#routes().flatMap((route) => route.to === "remote" && route.via ? [route.via] : []);
    return [...new Set(named)];
  }

  #routes(): PluginRoute[] {
    return [this.shared, ...this.domains.values()].flatMap(({ accounts }) => [...accounts.values()]);
  }

  /** What `address` is, without the alias `skip`: an alias that names itself means the account behind it. */
  find(address: Address, host: Host, skip: Targets | null = null): Found | null {
    const { local, domain } = address;
    const whole = this.#name(fold(local), "", address, host, skip);
    if (whole !== null) return whole;
    const { postmaster } = host;
    if (postmaster !== null && fold(local) === "postmaster" && !sameAddress(address, postmaster)) {
      return this.#alias([postmaster], address, host);
    }
    // The longest name first: with "-" as separator `mary-ann-news` is mary-ann's before it is mary's.
    for (let at = local.length - 1; at > 0; at--) {
      if (!this.separators.includes(local[at]!)) continue;
      const short = this.#name(fold(local.slice(0, at)), local.slice(at + 1), address, host, skip);
      if (short !== null) return short;
    }
    const rest = this.domains.get(domain)?.catchAll ?? null;
    return rest === null || rest === skip ? null : this.#alias(rest, address, host);
  }

  #name(name: string, detail: string, address: Address, host: Host, skip: Targets | null): Found | null {
    const own = this.domains.get(address.domain);
    if (own !== undefined) {
      const alias = own.aliases.get(name);
      if (alias !== undefined && alias !== skip) return this.#alias(alias, address, host);
      const route = own.accounts.get(name);
      if (route !== undefined) return this.#account(name, address.domain, route, detail);
      if (own.virtual) return null;
    }
    const alias = this.shared.aliases.get(name);
    if (alias !== undefined && alias !== skip) return this.#alias(alias, address, host);
    const route = this.shared.accounts.get(name);
    if (route === undefined) return null;
    return this.#account(name, this.#home(host) ?? (address.domain || host.name), route, detail);
  }

  #account(local: string, domain: string, route: PluginRoute, detail: string): Found {
    return { kind: "account", mailbox: { local, domain }, route, detail };
  }

  #alias(targets: Targets, address: Address, host: Host): Found {
    const ours = DomainSet.of(host.domains);
    const members = targets.map((target) => {
      const local = target.local || address.local;
      const domain = target.domain || address.domain || this.#home(host) || host.name;
      // Names of ours in one form, so that the pipeline sees a name again that comes again; others as they are written.
      return { local: ours.has(domain) ? fold(local) : local, domain };
    });
    return { kind: "alias", members, targets };
  }

  /** Where accounts without a domain live: what the operator said, else the first of our domains that is one name. */
  #home(host: Host): string | null {
    if (this.home !== null) return this.home;
    for (const name of DomainSet.of(host.domains).names) {
      if (!name.startsWith("[") && this.domains.get(name)?.virtual !== true) return name;
    }
    return null;
  }
}
