-- wrk sends the requests in the file BENCH_REQUESTS in turn. Before each of them is its length, and a newline.
-- What came of it is printed as one line of JSON; bench/load.py reads it. Latencies are microseconds.

local requests = {}
local file = assert(io.open(os.getenv("BENCH_REQUESTS"), "rb"))
for length in function() return file:read("*n") end do
  file:read(1)
  requests[#requests + 1] = file:read(length)
end
file:close()

if #requests == 1 then
  function wrk.format() return requests[1] end -- wrk keeps the result, and calls no Lua for a request
else
  local turn = 0
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "p999": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
