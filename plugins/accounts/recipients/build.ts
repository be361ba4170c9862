/**
 * Trees of tables to a Directory. Everything a person can get wrong is found here, all at once and each with its place,
 * so that nothing is left to go wrong at RCPT.
 */
import { type Address, canonicalDomain, parseAddress, type PluginRoute } from "../../../core/pipeline/mod.ts";
import { type Entry, type Fault, type Node, type Place, TablesError } from "../node.ts";
import { Directory, fold, type Section, type Targets } from "./directory.ts";

export interface BuildOptions {
  /** The route of accounts that name no store. */
  readonly deliverTo: PluginRoute;
  readonly separators: string;
  readonly home: string | null;
  /** Whether a name that is in no table is nobody: then an alias to such a name is a fault. */
  readonly closed: boolean;
}

const ENOUGH = 20;

/** @throws {TablesError} */
export function buildDirectory(trees: readonly Node[], options: BuildOptions): Directory {
  return new Builder(options).build(trees);
}

class Builder {
  readonly #directory: Directory;
  readonly #faults: Fault[] = [];
  /** Targets without a domain, looked up when every table is read. */
  readonly #names: { readonly name: string; readonly domain: string; readonly at: Place }[] = [];
  /** One object for each store, not for each account. */
  readonly #stores = new Map<string, PluginRoute>();

  constructor(readonly options: BuildOptions) {
    this.#directory = new Directory(options.separators, options.home);
  }

  build(trees: readonly Node[]): Directory {
    try {
      for (const tree of trees) this.#root(tree);
      if (this.options.home !== null && this.#directory.domains.get(this.options.home)?.virtual) {
        this.#fault(["home"], `${this.options.home} has a table of its own under "virtual"`);
      }
      if (this.options.closed) { for (const each of this.#names) this.#known(each); }
    } catch (error) {
      if (!(error instanceof TablesError)) throw error;
    }
    if (this.#faults.length > 0) throw new TablesError(this.#faults);
    return this.#directory;
  }

  #root(tree: Node): void {
    this.#table(tree, "", {
      accounts: (node) => this.#accounts(node, ""),
      aliases: (node) => this.#aliases(node, ""),
      catchAll: (node) => {
        for (const { key, at, value } of this.#entries(node)) {
          const domain = this.#domain(key, at);
          if (domain !== null) this.#catchAll(domain, at, value);
        }
      },
      virtual: (node) => {
        for (const { key, at, value } of this.#entries(node)) {
          const domain = this.#domain(key, at);
          if (domain === null) continue;
          const section = this.#directory.section(domain);
          if (section.virtual) this.#fault(at, `"${key}" is there twice`);
          section.virtual = true;
          this.#table(value, key, {
            accounts: (node) => this.#accounts(node, domain),
            aliases: (node) => this.#aliases(node, domain),
            catchAll: (node, at) => this.#catchAll(domain, at, node),
          });
        }
      },
    });
  }

  #accounts(node: Node, domain: string): void {
    if (node.kind === "list") {
      for (const item of node.items) {
        if (item.kind === "text") this.#account(item.text, item.at, this.options.deliverTo, domain);
        else this.#fault(item.at, "expected the name of an account");
      }
      return;
    }
    for (const { key, at, value } of this.#entries(node)) {
      let route: PluginRoute | null = this.options.deliverTo;
      if (value.kind === "table") {
        this.#table(value, key, { store: (store) => route = this.#store(store) });
      } else if (value.kind === "list" || value.text !== "") route = this.#store(value);
      if (route !== null) this.#account(key, at, route, domain);
    }
  }

  #account(text: string, at: Place, route: PluginRoute, domain: string): void {
    const name = this.#name(text, at, domain);
    if (name === null) return;
    const { accounts } = this.#directory.section(name.domain), key = fold(name.local);
    if (accounts.has(key)) this.#fault(at, `the account "${text}" is there twice`);
    else accounts.set(key, route);
  }

  /** A plugin's name, or a route as it stands in the configuration. */
  #store(node: Node): PluginRoute | null {
    if (node.kind === "text" && node.text !== "") return this.#route(node.text, { to: "local", plugin: node.text });
    if (node.kind !== "table") return this.#fault(node.at, "expected the name of a storage plugin, or { to: ... }");
    const said = new Map<string, string>();
    const take = (name: string) => (value: Node) => {
      if (value.kind === "text") said.set(name, value.text);
      else this.#fault(value.at, "expected a text");
    };
    this.#table(node, "store", { to: take("to"), plugin: take("plugin"), via: take("via") });
    const to = said.get("to"), plugin = said.get("plugin"), via = said.get("via");
    if (to === "local" && plugin && via === undefined) return this.#route(plugin, { to, plugin });
    if (to === "remote" && plugin === undefined && via === undefined) return this.#route(">", { to });
    if (to === "remote" && plugin === undefined && via) return this.#route(`>${via}`, { to, via });
    return this.#fault(node.at, "expected { to: local, plugin: NAME }, { to: remote } or { to: remote, via: NAME }");
  }

  #route(key: string, route: PluginRoute): PluginRoute {
    const known = this.#stores.get(key);
    if (known === undefined) this.#stores.set(key, route);
    return known ?? route;
  }

  #aliases(node: Node, domain: string): void {
    for (const { key, at, value } of this.#entries(node)) {
      if (key.startsWith("@")) {
        const rest = this.#domain(key.slice(1), at);
        if (rest === null) continue;
        if (domain !== "" && rest !== domain) this.#fault(at, `"${key}" stands in the table of ${domain}`);
        else this.#catchAll(rest, at, value);
        continue;
      }
      const name = this.#name(key, at, domain);
      if (name === null) continue;
      const { aliases } = this.#directory.section(name.domain), folded = fold(name.local);
      if (aliases.has(folded)) this.#fault(at, `the alias "${key}" is there twice`);
      else aliases.set(folded, this.#targets(value, name.domain));
    }
  }

  #catchAll(domain: string, at: Place, node: Node): void {
    const section: Section = this.#directory.section(domain);
    if (section.catchAll !== null) this.#fault(at, `${domain} has two catch-alls`);
    else section.catchAll = this.#targets(node, domain);
  }

  #targets(node: Node, domain: string): Targets {
    const nodes = node.kind === "list" ? node.items : [node];
    const targets: Address[] = [];
    for (const each of nodes) {
      if (each.kind !== "text" || each.text === "") {
        this.#fault(each.at, "expected an address, a local part or @domain");
      } else if (each.text.startsWith("@")) {
        const there = this.#domain(each.text.slice(1), each.at);
        if (there !== null) targets.push({ local: "", domain: there });
      } else {
        const address = readName(each.text);
        if (address === null) this.#fault(each.at, `"${each.text}" is no address, local part or @domain`);
        else {
          if (address.domain === "") this.#names.push({ name: address.local, domain, at: each.at });
          targets.push(address);
        }
      }
    }
    if (nodes.length === 0) this.#fault(node.at, "an alias needs a target");
    return targets;
  }

  /** A target without a domain has to be somebody, or mail is lost to a typing error. */
  #known({ name, domain, at }: { name: string; domain: string; at: Place }): void {
    const { shared, domains, separators } = this.#directory;
    const has = (section: Section, key: string) => section.accounts.has(key) || section.aliases.has(key);
    const places = domain === "" ? [shared, ...domains.values()] : [this.#directory.section(domain), shared];
    const within = domain !== "" && places[0]!.virtual ? places.slice(0, 1) : places;
    const whole = fold(name);
    if (whole === "postmaster" || within.some((section) => section.catchAll !== null || has(section, whole))) return;
    for (let end = whole.length - 1; end > 0; end--) {
      if (separators.includes(whole[end]!) && within.some((section) => has(section, whole.slice(0, end)))) return;
    }
    this.#fault(at, `"${name}" is no account or alias here; a foreign address needs its domain`);
  }

  #name(text: string, at: Place, domain: string): Address | null {
    const name = readName(text);
    if (name === null) return this.#fault(at, `"${text}" is no address and no local part`);
    if (domain === "" || name.domain === domain) return name;
    if (name.domain !== "") return this.#fault(at, `"${text}" stands in the table of ${domain}`);
    return { local: name.local, domain };
  }

  #domain(text: string, at: Place): string | null {
    return canonicalDomain(text) ?? this.#fault(at, `"${text}" is no domain`);
  }

  #entries(node: Node): readonly Entry[] {
    if (node.kind === "table") return node.entries;
    if (node.kind === "list" || node.text !== "") this.#fault(node.at, "expected a table of names");
    return [];
  }

  /** Hands each entry to the reader of its key. */
  #table(node: Node, where: string, readers: Readonly<Record<string, (node: Node, at: Place) => void>>): void {
    const known = Object.keys(readers), seen = new Set<string>();
    for (const { key, at, value } of this.#entries(node)) {
      if (!known.includes(key)) {
        this.#fault(at, `"${key}" is not known${where && ` in ${where}`}: expected ${known.join(", ")}`);
      } else if (seen.has(key)) this.#fault(at, `"${key}" is there twice`);
      else readers[key]!(value, at);
      seen.add(key);
    }
  }

  #fault(at: Place, message: string): null {
    this.#faults.push({ at, message });
    if (this.#faults.length === ENOUGH) throw new TablesError(this.#faults);
    return null;
  }
}

/** An address, or a local part as it is written in front of an "@"; then the domain is empty. Nobody is named `""`. */
function readName(text: string): Address | null {
  const address = text.includes("@") ? parseAddress(text) : null;
  if (address !== null) return address.local === "" ? null : address;
  const local = parseAddress(`${text}@localhost`)?.local;
  return local ? { local, domain: "" } : null;
}
