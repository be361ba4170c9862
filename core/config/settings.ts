/**
 * The configuration as it was read, setting by setting, for people: what stands in the file as it is written there, what
 * is a default, what came from the environment. Nothing that could be a secret is in it: what was filled in for `${NAME}`
 * is shown by its name, and what stands under a name like `token` is masked.
 * Non-job: what the values mean (config.ts).
 */

/** Where a value came from. */
export type SettingSource = "file" | "default" | "environment";
/** One value. */
export interface ReadSetting {
  /** `limits.messageSize`, `plugins[2].spf.softfail`. */
  readonly path: string;
  /** In one line, as a file has it; MASK for a secret. */
  readonly value: string;
  readonly from: SettingSource;
}

/** What stands for a secret. */
export const MASK = "••••••";
