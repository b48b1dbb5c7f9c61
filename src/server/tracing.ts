/**
 * Spans for OpenTelemetry: requests, steps of the reconciler, calls of the driver. They are sent by OTLP over HTTP, in JSON, behind
 * everybody's back: what waits is bounded, and what a collector does not take is lost. Loaded only when there is a collector.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, ROOT_CONTEXT, type Span, SpanStatusCode, trace as spans } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import type { Trace } from "../core/trace.ts";

export interface Tracing {
  readonly trace: Trace;
  /** Sends what is left, within a few seconds. */
  close(): Promise<void>;
}

interface TracingOptions {
  /** Of the collector, with its path: https://collector.example.com/v1/traces. */
  readonly url: string;
  readonly version: string;
  /** How long spans wait for others to be sent with; default: 5 s. */
  readonly delayMs?: number;
}

const TIMEOUT_MS = 3000;
const DELAY_MS = 5000;
/** Spans that may wait; later ones are lost. */
const MAX_WAITING = 2048;

export function openTracing({ url, version, delayMs = DELAY_MS }: TracingOptions, logger: Logger): Tracing {
  const exporter = new OTLPTraceExporter({
    url,
    timeoutMillis: TIMEOUT_MS,
    // A connection that is kept would keep the process at its end.
    httpAgentOptions: { keepAlive: false },
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "gpu-dev", "service.version": version }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: saying(exporter, logger),
        scheduledDelayMillis: delayMs,
        exportTimeoutMillis: TIMEOUT_MS,
        maxQueueSize: MAX_WAITING,
      }),
    ],
  });
  const tracer = provider.getTracer("gpu-dev", version);
  const around = new AsyncLocalStorage<Context>();
  return {
    async trace(name, fields, work) {
      const parent = around.getStore() ?? ROOT_CONTEXT;
      const span = tracer.startSpan(name, { attributes: attributesOf(fields) }, parent);
      try {
        return await around.run(spans.setSpan(parent, span), () =>
          work((more) => void span.setAttributes(attributesOf(more))),
        );
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    close: () => provider.shutdown(),
  };
}

/** Names without a dot are ours; OpenTelemetry has those with one. */
const attributesOf = (fields: Parameters<Trace>[1]): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.includes(".") ? name : `gpu_dev.${name}`, value]],
    ),
  );

function fail(span: Span, error: unknown): void {
  const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
  span.setAttribute("error.type", name);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** That a collector takes nothing is logged when it begins and when it is over (O-04). */
function saying(exporter: SpanExporter, logger: Logger): SpanExporter {
  let failing = false;
  return {
    shutdown: () => exporter.shutdown(),
    export(batch, done) {
      exporter.export(batch, (result) => {
        const failed = result.code !== 0;
        if (failed && !failing)
          logger.warn({ err: result.error }, "traces are not taken; they are lost meanwhile");
        if (!failed && failing) logger.info("traces are taken again");
        failing = failed;
        done(result);
      });
    },
  };
}
