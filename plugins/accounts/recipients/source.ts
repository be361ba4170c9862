/**
 * The tables of the configuration and of the file beside it, as one directory. Non-job: watching the file
 * (tables_file.ts), what the names mean (build.ts).
 */
import type { Node } from "../node.ts";
import { optionsError, TablesFile } from "../tables_file.ts";
import { buildDirectory, type BuildOptions } from "./build.ts";
import type { Directory } from "./directory.ts";

export interface SourceOptions extends BuildOptions {
  /** What stands in the configuration. */
  readonly inline: Node;
  readonly file: string | null;
  /** Folder that `file` starts from. */
  readonly base: string;
  readonly trouble: (message: string) => void;
}

export class Source {
  readonly #file: TablesFile<Directory> | null;
  readonly #inline: Directory | null;

  /** @throws {OptionsError} with each fault: its path, or its line and column in the file. */
  constructor(options: SourceOptions) {
    const { inline, file, base, trouble } = options;
    const build = (...tables: Node[]): Directory => buildDirectory([inline, ...tables], options);
    this.#file = file === null
      ? null
      : new TablesFile({ file, base, at: ["file"], what: "recipients", trouble, build });
    try {
      this.#inline = this.#file === null ? build() : null;
    } catch (error) {
      throw optionsError(error, []);
    }
  }

  /** The storage plugins that the tables name, as they were read last. */
  get stores(): string[] {
    return this.#last.stores;
  }

  /** The next hops that the tables name, as they were read last. */
  get nextHops(): string[] {
    return this.#last.nextHops;
  }
  get #last(): Directory {
    return this.#inline ?? this.#file!.value;
  }

  /** The tables as they are at the moment `now` (milliseconds). */
  current(now: number): Directory {
    return this.#inline ?? this.#file!.current(now);
  }
}
