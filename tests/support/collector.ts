/** An OpenTelemetry collector of the tests: takes OTLP/HTTP in JSON and keeps spans and log records. */

export interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is a root. */
  readonly parentSpanId: string;
  readonly scope: string;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 2: an error. */
  readonly status: number;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
}

interface Pair {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface Body {
  readonly resourceSpans?: readonly { readonly scopeSpans: readonly ScopeSpans[] }[];
  readonly resourceLogs?: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly unknown[] }[] }[];
}
interface ScopeSpans {
  readonly scope: { readonly name: string };
  // deno-lint-ignore no-explicit-any
  readonly spans: readonly any[];
}

export class Collector implements AsyncDisposable {
  readonly spans: ExportedSpan[] = [];
  /** Each as JSON. */
  readonly logs: string[] = [];
  /** All that came, as it came. */
  text = "";
  readonly #server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => this.#take(request));

  /** Of a process that exports here. */
  get env(): Readonly<Record<string, string>> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_SERVICE_NAME: "postern",
    };
  }

  async #take(request: Request): Promise<Response> {
    const text = await request.text();
    this.text += text;
    const { resourceSpans = [], resourceLogs = [] } = JSON.parse(text) as Body;
    for (const { scope, spans } of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)) {
      for (const span of spans) {
        this.spans.push({
          name: span.name,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId,
          scope: scope.name,
          start: Number(span.startTimeUnixNano) / 1e6,
          end: Number(span.endTimeUnixNano) / 1e6,
          attributes: plain(span.attributes),
          status: span.status?.code ?? 0,
          events: span.events.map((each: { name: string; attributes: Pair[] }) => ({
            name: each.name,
            attributes: plain(each.attributes),
          })),
        });
      }
    }
    for (const { scopeLogs } of resourceLogs) {
      for (const { logRecords } of scopeLogs) this.logs.push(...logRecords.map((each) => JSON.stringify(each)));
    }
    return new Response("{}", { headers: { "content-type": "application/json" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function plain(attributes: readonly Pair[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => {
    const [kind, each] = Object.entries(value)[0] ?? ["", null];
    return [key, kind === "intValue" ? Number(each) : each];
  }));
}
