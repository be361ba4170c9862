/**
 * A server whose disk can be made to fail, or that can be killed between two file operations: fault.c is compiled,
 * preloaded into the server and driven through its control file. Non-job: which failures (faults_test.ts, mixed_test.ts).
 */
import { Server, type ServerOptions } from "../support/server.ts";
import type { TempFolder } from "../support/temp.ts";

/** Numbers of errno(3) on Linux. */
export const ERRORS = { EIO: 5, EMFILE: 24, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;
export type ErrorName = keyof typeof ERRORS;

/** In the order of fault.c's list. */
export const OPERATIONS = [
  "open",
  "write",
  "writev",
  "pwrite64",
  "fsync",
  "fdatasync",
  "ftruncate64",
  "rename",
  "linkat",
  "mkdir",
  "unlink",
] as const;
export type OperationName = typeof OPERATIONS[number];

/** What shall happen. */
export type Fault =
  | { readonly does: "count" }
  /** Operation `at` fails, it alone. `only`: operations of this name are counted, no others. */
  | { readonly does: "fail"; readonly at: number; readonly error: ErrorName; readonly only?: OperationName }
  /** Everything that needs space fails from now on. */
  | { readonly does: "full"; readonly error: "ENOSPC" | "EDQUOT" }
  /** The process dies before operation `at`. */
  | { readonly does: "kill"; readonly at: number };

export interface Operation {
  readonly number: number;
  readonly name: OperationName;
  readonly path: string;
  readonly done: "" | "FAIL" | "KILL";
}

/** The order of fault.c's control file. */
const FIELDS = ["armed", "at", "times", "error", "kill", "count", "fired", "onlyWrites", "only"] as const;

export class FaultInjector {
  private constructor(
    readonly control: string,
    readonly log: string,
    /** For the server's environment. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  /** Compiles the library into `folder`. Operations below `roots` are meant. */
  static async make(folder: TempFolder, roots: readonly string[]): Promise<FaultInjector> {
    const source = new URL("fault.c", import.meta.url).pathname, library = folder.at("fault.so");
    const { success, stderr } = await new Deno.Command("gcc", {
      args: ["-O1", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"],
    }).output();
    if (!success) throw new Error(`gcc fault.c: ${new TextDecoder().decode(stderr)}`);
    const control = folder.at("fault-control"), log = folder.at("fault-log");
    await Deno.writeFile(control, new Uint8Array(4 * FIELDS.length));
    await Deno.writeFile(log, new Uint8Array(0));
    return new FaultInjector(control, log, {
      LD_PRELOAD: library,
      FAULT_CONTROL: control,
      FAULT_LOG: log,
      FAULT_ROOTS: roots.join(":"),
    });
  }

  async start(options: ServerOptions): Promise<Server> {
    this.disarm();
    return await Server.start({ ...options, env: { ...options.env, ...this.env } });
  }

  /** From now on operations are counted, from 1, and `fault` happens. */
  arm(fault: Fault): void {
    Deno.truncateSync(this.log);
    const at = fault.does === "fail" || fault.does === "kill" ? fault.at : fault.does === "full" ? 1 : 0;
    this.#write({
      at,
      times: fault.does === "full" ? 2 ** 31 - 1 : 1,
      error: fault.does === "fail" || fault.does === "full" ? ERRORS[fault.error] : 0,
      kill: fault.does === "kill" ? 1 : 0,
      onlyWrites: fault.does === "full" ? 1 : 0,
      only: fault.does === "fail" && fault.only ? OPERATIONS.indexOf(fault.only) + 1 : 0,
    });
    this.#write({ armed: 1 }, "armed only");
  }

  /** Nothing fails any more; returns what was counted. */
  disarm(): Operation[] {
    this.#write({ armed: 0 }, "armed only");
    return this.peek();
  }

  /** What was counted so far. */
  peek(): Operation[] {
    return Deno.readTextFileSync(this.log).split("\n").filter((line) => line !== "").map((line) => {
      const [number, name, ...rest] = line.split(" ");
      const done = rest.at(-1) === "FAIL" || rest.at(-1) === "KILL" ? rest.pop() as "FAIL" | "KILL" : "";
      return { number: Number(number), name: name as OperationName, path: rest.join(" "), done };
    });
  }

  /** Whole words at a time into the page that the server has mapped; `armed` is the first word. */
  #write(fields: Partial<Record<typeof FIELDS[number], number>>, which: "all" | "armed only" = "all"): void {
    const words = Int32Array.from(FIELDS, (field) => fields[field] ?? 0);
    const bytes = new Uint8Array(words.buffer, 0, which === "all" ? words.byteLength : 4);
    using file = Deno.openSync(this.control, { write: true });
    file.writeSync(bytes);
  }
}
