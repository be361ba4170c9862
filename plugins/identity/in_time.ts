/**
 * Questions to name service with a bound of their own, shorter than a plugin's: what is not answered by then is a failure of
 * name service, which policy knows how to take, and not a late plugin. Non-job: what is asked.
 */

/** Does `work` with a signal that aborts after so many milliseconds, or with `signal`. Leaves no timer behind. */
export async function inTime<T>(
  milliseconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController(), end = () => controller.abort();
  const timer = setTimeout(end, milliseconds);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
