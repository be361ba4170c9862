/**
 * Waiting for a condition with a deadline: what tests do instead of sleeping.
 */

export interface WaitOptions {
  /** Milliseconds after which it is an error (default 10 s). */
  readonly deadline?: number;
  /** Milliseconds between two looks (default 20). */
  readonly every?: number;
}

/**
 * Looks until `condition` gives something else than false, null or undefined, and returns it.
 *
 * @throws when the deadline passes first; the message says `what` was waited for.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  options: WaitOptions = {},
): Promise<T> {
  const { deadline = 10_000, every = 20 } = options;
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > end) throw new Error(`waited ${deadline} ms in vain for ${what}`);
    await new Promise((wake) => setTimeout(wake, every));
  }
}

/** `promise`, or an error naming `what` when it takes longer than `ms`; `late` may then free what is still held. */
export async function within<T>(what: string, promise: Promise<T>, ms: number, late?: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late?.();
      reject(new Error(`${what}: nothing within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
