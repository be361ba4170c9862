/**
 * Another wall clock for a process: libfaketime in front of the C library, which a file tells how far to go. The monotonic
 * clock and the times of files stay as they are, as when somebody sets a clock. Non-job: clocks inside one process, which
 * are parameters.
 */
import { TempFolder } from "./temp.ts";

const LIBRARY = find();

function find(): string | null {
  for (const folder of ["/usr/lib/faketime", ...multiarch()]) {
    const path = `${folder}/libfaketimeMT.so.1`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch { /* not there */ }
  }
  return null;
}

function multiarch(): string[] {
  return [...Deno.readDirSync("/usr/lib")].filter(({ name }) => name.includes("-linux-")).map(({ name }) =>
    `/usr/lib/${name}/faketime`
  );
}

/** What a test with it lacks, or null. */
export const CLOCK_MISSING: string | null = LIBRARY === null ? "libfaketime: apt-get install libfaketime" : null;

export class Clock implements AsyncDisposable {
  private constructor(private readonly folder: TempFolder) {}

  /** @param offset such as "+30h", "-10y", "+0" */
  static async make(offset = "+0"): Promise<Clock> {
    const clock = new Clock(await TempFolder.make("postern-clock-"));
    await clock.set(offset);
    return clock;
  }

  /** From the real time; the process sees it within a second. */
  async set(offset: string): Promise<void> {
    await this.folder.file("new", `${offset}\n`);
    await Deno.rename(this.folder.at("new"), this.folder.at("clock")); // nobody reads half of it
  }

  /** The environment of the process. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: LIBRARY!,
      FAKETIME_TIMESTAMP_FILE: this.folder.at("clock"),
      FAKETIME_CACHE_DURATION: "1",
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}
