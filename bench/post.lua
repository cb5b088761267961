-- wrk sends one request again and again: the file BENCH_REQUEST holds its headers, an empty line, and its body.
-- What came of it is printed as one line of JSON; bench/load.py reads it. Latencies are microseconds.

local file = assert(io.open(os.getenv("BENCH_REQUEST"), "rb"))
for line in function() return file:read("*l") end do
  if line == "" then break end
  local name, value = line:match("^([^:]+): (.*)$")
  wrk.headers[name] = value
end
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "p999": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
