/**
 * The process itself: CPU, memory, and how late the event loop is, which is how long every session waits for its turn.
 * Measured by a timer: monitorEventLoopDelay of this runtime does not see a loop that stands still.
 */
import process from "node:process";
import type { Exposition } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

/** Milliseconds between two looks. */
const PERIOD = 250;
const LAGS: readonly number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export class ProcessMeasures {
  readonly #lag = new Histogram(LAGS);
  readonly #started = performance.timeOrigin / 1000;
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): void {
    let due = performance.now() + PERIOD;
    this.#timer ??= setInterval(() => {
      const now = performance.now();
      this.#lag.add(Math.max(0, now - due) / 1000);
      due = now + PERIOD;
    }, PERIOD);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  write(to: Exposition): void {
    const { user, system } = process.cpuUsage();
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    to.counter(
      { name: "process_cpu_seconds", help: "CPU time of the process, all threads.", unit: "seconds" },
      (user + system) / 1e6,
    );
    to.gauge(
      { name: "process_start_time_seconds", help: "When the process began, seconds since 1970.", unit: "seconds" },
      this.#started,
    );
    to.gauge({ name: "process_resident_memory_bytes", help: "Memory of the process.", unit: "bytes" }, rss);
    to.gauge({ name: "postern_heap_used_bytes", help: "Objects of the main thread.", unit: "bytes" }, heapUsed);
    to.gauge({ name: "postern_heap_bytes", help: "Memory for objects of the main thread.", unit: "bytes" }, heapTotal);
    to.gauge({
      name: "postern_external_bytes",
      help: "Buffers of the main thread that stand beside its heap.",
      unit: "bytes",
    }, external);
    to.histogram({
      name: "postern_event_loop_lag_seconds",
      help: "How late a timer of the main thread was, four times a second.",
      unit: "seconds",
    }, this.#lag);
  }
}
