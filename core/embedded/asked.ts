/**
 * What a program asked of `createServer`, as the configuration that a file would say, and its faults under the names that
 * the program used. Non-job: what the keys mean (core/config).
 */
import type { Config } from "../config/config.ts";
import { ConfigError, type ConfigIssue } from "../config/issue.ts";
import { didYouMean } from "../config/nearest.ts";
import type { ConfigObject, EmbeddedOptions } from "./embedded.ts";

/** A free port, for this machine alone. */
const ANYWHERE = "127.0.0.1:0";
/** Which option says what a key of the configuration says too. */
const BOTH = { listen: "listeners", domains: "domains", store: "store" } as const;
const NAMES: Readonly<Record<keyof EmbeddedOptions, true>> = {
  plugins: true,
  listen: true,
  domains: true,
  site: true,
  store: true,
  config: true,
  base: true,
  dns: true,
  observe: true,
  now: true,
};

export class Asked {
  /** As a file would say it, plugins aside that are made already. */
  readonly value: ConfigObject;
  /** Nothing leaves the machine, everything is kept. */
  readonly devInbox: boolean;
  readonly #issues: ConfigIssue[] = [];
  readonly #options: EmbeddedOptions;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.devInbox = options.config === undefined;
    for (const name of Object.keys(options).filter((each) => !Object.hasOwn(NAMES, each))) {
      const near = didYouMean(name, Object.keys(NAMES));
      this.#add(name, `there is no such option${near || "; keys of a file go into config"}`);
    }
    if (options.base !== undefined && typeof options.base !== "string") this.#add("base", "must be a path");
    for (const name of ["observe", "now"] as const) {
      if (options[name] !== undefined && typeof options[name] !== "function") this.#add(name, "must be a function");
    }
    if (options.dns !== undefined && typeof options.dns?.lookup !== "function") {
      this.#add("dns", "must be a Resolver, such as a MemoryResolver");
    }
    if (options.plugins !== undefined && !Array.isArray(options.plugins)) this.#add("plugins", "must be a list");
    if (options.config !== undefined && !isGroup(options.config)) this.#add("config", "must be a group of keys");
    this.value = this.#issues.length > 0 ? {} : this.#value(options.config ?? {});
  }

  /**
   * @throws {ConfigError} with the faults of the options, else with those that `load` found.
   */
  async loaded(load: () => Promise<Config>): Promise<Config> {
    if (this.#issues.length > 0) throw new ConfigError(this.#issues);
    try {
      return await load();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(error.issues.map((issue) => ({ ...issue, path: this.#pathOf(issue.path) })));
    }
  }

  #value(config: ConfigObject): ConfigObject {
    const { listen, domains, site = false, store } = this.#options;
    for (const [option, key] of Object.entries(BOTH) as [keyof typeof BOTH, string][]) {
      if (this.#options[option] === undefined || !Object.hasOwn(config, key)) continue;
      this.#add(option, `config.${key} says it too: leave one of them out`);
    }
    const kept = store ?? config["store"] ?? "memory";
    if (kept === "sqlite" && config["data"] === undefined) {
      this.#add("config.data", "is missing: it is the folder in which store sqlite keeps its files");
    }
    const admin = site === false ? config["admin"] : {
      ...isGroup(config["admin"]) && config["admin"],
      address: site === true ? ANYWHERE : site,
    };
    const quiet = kept === "memory" && admin === undefined; // nobody could ask what happened
    return {
      ...this.devInbox && { limits: { drainTime: "5s" } },
      ...quiet && { ledger: "off" },
      ...config,
      listeners: config["listeners"] ?? [{
        address: listen ?? ANYWHERE,
        ...this.devInbox && { tls: "off", auth: { withoutTls: true } },
      }],
      ...this.devInbox && { domains: ["*"] },
      ...domains !== undefined && { domains },
      store: kept,
      ...admin !== undefined && { admin },
      plugins: this.#plugins(config["plugins"]),
    };
  }

  #plugins(configured: unknown): unknown {
    const { plugins = [], domains } = this.#options;
    if (this.devInbox) {
      const taken = { inbox: { everything: true }, ...domains !== undefined && { when: { recipientDomain: domains } } };
      return [...plugins, "any_login", taken];
    }
    if (plugins.length === 0) return configured ?? [];
    if (configured === undefined || Array.isArray(configured)) return [...plugins, ...configured ?? []];
    this.#add("plugins", "config.plugins must be a list, if it is to stand behind them");
    return [];
  }

  /** Where the program wrote what stands at that path. */
  #pathOf(path: string): string {
    const { plugins = [], listen, domains, site = false, store } = this.#options;
    const [, index, rest] = /^plugins\[(\d+)\](.*)$/s.exec(path) ?? [];
    if (index !== undefined) {
      const at = Number(index) - plugins.length;
      return at < 0 ? path : `config.plugins[${at}]${rest}`;
    }
    if (path.startsWith("listeners[0].address") && listen !== undefined) return "listen";
    if (path.startsWith("domains") && domains !== undefined || path === "store" && store !== undefined) return path;
    if (path === "admin.address" && site !== false) return "site";
    return path === "" ? "config" : `config.${path}`;
  }

  #add(path: string, message: string): void {
    this.#issues.push({ file: null, line: 0, column: 0, path, message });
  }
}

function isGroup(value: unknown): value is ConfigObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
