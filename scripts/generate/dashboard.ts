/** deploy/grafana/gpu-dev.json: a dashboard of what docs/observing.md lists, from a list of panels. */

interface Panel {
  readonly title: string;
  readonly unit: string;
  /** By legend; `{{label}}` is the label's value. */
  readonly queries: Readonly<Record<string, string>>;
}

/** A total of the database is told by every server of a deployment: `max` takes it once. */
const PANELS: readonly Panel[] = [
  {
    title: "GPUs in use",
    unit: "percentunit",
    queries: {
      "{{gpu_type}}":
        'max by (gpu_type) (gpu_dev_capacity{status="used"}) / sum by (gpu_type) (max by (gpu_type, status) (gpu_dev_capacity))',
    },
  },
  {
    title: "GPUs that cannot be given out",
    unit: "short",
    queries: { "{{gpu_type}}": 'max by (gpu_type) (gpu_dev_capacity{status="unavailable"})' },
  },
  {
    title: "Reservations that wait",
    unit: "short",
    queries: { "{{gpu_type}}": "max by (gpu_type) (gpu_dev_queue_length)" },
  },
  {
    title: "Reservations by state",
    unit: "short",
    queries: { "{{state}}": "max by (state) (gpu_dev_reservations)" },
  },
  {
    title: "The oldest that is preparing or ending",
    unit: "s",
    queries: {
      "{{state}}": 'max by (state) (gpu_dev_oldest_reservation_seconds{state=~"preparing|ending"})',
    },
  },
  {
    title: "Reservations made and ended, per hour",
    unit: "short",
    queries: {
      made: "max(increase(gpu_dev_reservations_created_total[1h]))",
      "{{state}}": "max by (state) (increase(gpu_dev_reservations_ended_total[1h]))",
    },
  },
  {
    title: "From placement until ssh works",
    unit: "s",
    queries: {
      median: "histogram_quantile(0.5, sum by (le) (rate(gpu_dev_preparing_seconds_bucket[30m])))",
      "99 of 100": "histogram_quantile(0.99, sum by (le) (rate(gpu_dev_preparing_seconds_bucket[30m])))",
      "of it, the login, 99 of 100":
        "histogram_quantile(0.99, sum by (le) (rate(gpu_dev_ssh_verification_seconds_bucket[30m])))",
    },
  },
  {
    title: "First logins in vain, per hour",
    unit: "short",
    queries: { "{{cause}}": "max by (cause) (increase(gpu_dev_ssh_verification_failures_total[1h]))" },
  },
  {
    title: "Findings of the reconciler, per day",
    unit: "short",
    queries: { "{{kind}}": "max by (kind) (increase(gpu_dev_findings_total[1d]))" },
  },
  {
    title: "Errors of the driver, per second",
    unit: "short",
    queries: { "{{verb}} {{fault}}": "sum by (verb, fault) (rate(gpu_dev_driver_errors_total[5m])) > 0" },
  },
  {
    title: "Calls of the driver, 99 of 100",
    unit: "s",
    queries: {
      "{{verb}}":
        "histogram_quantile(0.99, sum by (verb, le) (rate(gpu_dev_driver_call_seconds_bucket[5m])))",
    },
  },
  {
    title: "Requests per second",
    unit: "reqps",
    queries: { "{{status}}": "sum by (status) (rate(gpu_dev_http_requests_total[5m]))" },
  },
  {
    title: "Time of a request",
    unit: "s",
    queries: {
      median: "histogram_quantile(0.5, sum by (le) (rate(gpu_dev_http_request_seconds_bucket[5m])))",
      "99 of 100": "histogram_quantile(0.99, sum by (le) (rate(gpu_dev_http_request_seconds_bucket[5m])))",
    },
  },
  { title: "Tunnels", unit: "short", queries: { "{{state}}": "sum by (state) (gpu_dev_tunnels)" } },
  {
    title: "Bytes of tunnels",
    unit: "Bps",
    queries: { "{{direction}}": "sum by (direction) (rate(gpu_dev_tunnel_bytes_total[5m]))" },
  },
  {
    title: "Tunnels opened, resumed, refused, per second",
    unit: "short",
    queries: {
      opened: "sum(rate(gpu_dev_tunnels_opened_total[5m]))",
      resumed: "sum(rate(gpu_dev_tunnel_resumes_total[5m]))",
      "refused: {{code}}": "sum by (code) (rate(gpu_dev_tunnel_refusals_total[5m])) > 0",
    },
  },
  {
    title: "What the gateway adds to a keystroke, 99 of 100",
    unit: "s",
    queries: {
      "on the way {{direction}}":
        "histogram_quantile(0.99, sum by (direction, le) (rate(gpu_dev_tunnel_echo_seconds_bucket[5m])))",
      "event loop":
        "histogram_quantile(0.99, sum by (le) (rate(gpu_dev_event_loop_delay_seconds_bucket[5m])))",
    },
  },
  {
    title: "From a request for a tunnel to the pod's first byte",
    unit: "s",
    queries: {
      "99 of 100":
        "histogram_quantile(0.99, sum by (le) (rate(gpu_dev_tunnel_first_byte_seconds_bucket[5m])))",
    },
  },
  {
    title: "Connections to the database",
    unit: "short",
    queries: {
      "{{instance}} {{pool}}": 'max by (instance, pool) (gpu_dev_database_connections{state="in_use"})',
      "{{instance}} {{pool}}: waiting": "max by (instance, pool) (gpu_dev_database_waiting)",
    },
  },
];

const WIDTH = 8;
const HEIGHT = 7;
const PER_ROW = 24 / WIDTH;

/** The file, for Grafana 9 and later; the data source is chosen at its top. */
export const dashboard = (): string =>
  `${JSON.stringify(
    {
      title: "gpu-dev",
      uid: "gpu-dev",
      tags: ["gpu-dev"],
      schemaVersion: 38,
      refresh: "30s",
      time: { from: "now-6h", to: "now" },
      templating: {
        list: [{ name: "source", label: "Prometheus", type: "datasource", query: "prometheus" }],
      },
      panels: PANELS.map(panel),
    },
    null,
    2,
  )}\n`;

const source = { type: "prometheus", uid: "$source" };

const panel = ({ title, unit, queries }: Panel, i: number) => ({
  id: i + 1,
  type: "timeseries",
  title,
  datasource: source,
  gridPos: { x: (i % PER_ROW) * WIDTH, y: Math.floor(i / PER_ROW) * HEIGHT, w: WIDTH, h: HEIGHT },
  fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
  targets: Object.entries(queries).map(([legendFormat, expr], n) => ({
    refId: String.fromCharCode(65 + n),
    datasource: source,
    expr,
    legendFormat,
  })),
});
