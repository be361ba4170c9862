/**
 * Where accounts are kept, as `postern user` changes them: a file (accounts_file.ts), or the store (stored.ts). Which one it
 * is makes no difference to a command.
 */
import { formatLine, type Line } from "../../plugins/auth/accounts/line.ts";
import { type AccountsPlace, changeAccounts, readAccounts } from "./accounts_file.ts";

/** Accounts under change. */
export interface Changing {
  find(name: string): Line | null | Promise<Line | null>;
  /** Puts an account in the place of the one of its name; null takes it away. */
  set(name: string, line: Line | null): void | Promise<void>;
  /** Gives the installation its secret if it has none. */
  keepSecret(make: () => string): void | Promise<void>;
}
export interface AccountBook {
  /** As the operator would name it. */
  readonly name: string;
  /** @throws {CommandError} */
  list(): Promise<readonly Line[]>;
  /** Null when it is not there. @throws {CommandError} */
  find(name: string): Promise<Line | null>;
  /** Durable when it resolves. With `create` a file that is not there is made. @throws {CommandError}, and what `work` throws */
  change<T>(options: { readonly create: boolean }, work: (accounts: Changing) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export class FileBook implements AccountBook {
  constructor(readonly place: AccountsPlace) {}

  get name(): string {
    return this.place.name;
  }
  async list(): Promise<readonly Line[]> {
    return (await readAccounts(this.place)).accounts;
  }
  async find(name: string): Promise<Line | null> {
    return (await readAccounts(this.place)).find(name);
  }
  change<T>(options: { readonly create: boolean }, work: (accounts: Changing) => Promise<T>): Promise<T> {
    return changeAccounts(this.place, options, (text) =>
      work({
        find: (name) => text.find(name),
        set: (name, line) => text.set(name, line === null ? null : formatLine(line)),
        keepSecret: (make) => text.keepSecret(make),
      }));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
