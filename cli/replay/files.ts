/** Recordings from files and folders, one after the other: they may be many. Non-job: what is in one (core/replay). */
import { join, resolve } from "node:path";
import { LARGEST, parseRecording, RecordingError } from "../../core/replay/format.ts";
import type { Recording } from "../../core/replay/recording.ts";
import { CommandError } from "../terminal.ts";

/** All files that are meant, oldest name first within a folder. @throws {CommandError} where a folder cannot be read. */
export async function filesOf(named: readonly string[], cwd: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of named) {
    const path = resolve(cwd, name), info = await Deno.stat(path).catch(() => null);
    if (!info?.isDirectory) files.push(name);
    else files.push(...(await within(name, path)).map((each) => join(name, each)));
  }
  return files;
}

async function within(name: string, path: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) if (entry.name.endsWith(".jsonl")) found.push(entry.name);
  } catch (error) {
    throw new CommandError(`${name}: ${oneLine(error)}`);
  }
  return found.sort();
}

/** @throws {CommandError} in one line. */
export async function readFile(name: string, cwd: string): Promise<Recording> {
  try {
    const path = resolve(cwd, name), { size } = await Deno.stat(path);
    if (size > LARGEST) throw new RecordingError(`it is larger than ${LARGEST} octets, and no recording is`);
    return parseRecording(await Deno.readTextFile(path));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : oneLine(error);
    throw new CommandError(`${name}: ${why}`);
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 300);
}
