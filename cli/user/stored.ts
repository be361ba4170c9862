/** Accounts in the store of a configuration. Loaded only when it is needed, as data_folder.ts is. */
import type { Config } from "../../core/config/config.ts";
import { NamespacedCounters } from "../../core/pipeline/contexts/plugin_context.ts";
import type { Store } from "../../core/store/store.ts";
import { KeptAccounts } from "../../plugins/auth/accounts/kept.ts";
import { type Line, LineError, readLine } from "../../plugins/auth/accounts/line.ts";
import { openFolder } from "../data_folder.ts";
import { CommandError } from "../terminal.ts";
import type { AccountBook, Changing } from "./book.ts";

export interface StoredPlace {
  /** The name of the plugin in the list. */
  readonly plugin: string;
  readonly caseSensitive: boolean;
}

/** @throws {CommandError} when there is none, {StoreError} when it cannot be had: another one has the folder. */
export async function openStoredAccounts(config: Config, { plugin, caseSensitive }: StoredPlace): Promise<AccountBook> {
  const store = await openFolder(config), counters = new NamespacedCounters(store.counters, `plugin:${plugin}:`);
  return new StoredBook(store, new KeptAccounts(counters, { caseSensitive }));
}

class StoredBook implements AccountBook {
  readonly name = "the store";

  constructor(readonly store: Store, readonly kept: KeptAccounts) {}

  async list(): Promise<readonly Line[]> {
    return (await this.kept.lines()).map((line) => this.#told(() => readLine(line))).filter((line) => line !== null);
  }
  async find(name: string): Promise<Line | null> {
    const kept = this.kept;
    try {
      return await kept.find(name);
    } catch (error) {
      return this.#told(() => {
        throw error;
      });
    }
  }

  async change<T>(_: { readonly create: boolean }, work: (accounts: Changing) => Promise<T>): Promise<T> {
    return await work({
      find: (name) => this.find(name),
      set: async (name, line) => {
        if (line !== null) await this.#checkCertificates(line);
        await this.kept.set(name, line);
      },
      keepSecret: (make) => this.kept.keepSecret(make),
    });
  }

  async #checkCertificates({ name, certificates }: Line): Promise<void> {
    if (certificates.length === 0) return;
    for (const other of await this.list()) {
      if (other.name === name || !other.certificates.some((each) => certificates.includes(each))) continue;
      throw new CommandError(`the certificate is that of ${other.name} already`);
    }
  }

  #told<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof LineError ? new CommandError(`the store: ${error.message}`) : error;
    }
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
