-- What the wrk scripts share: a number for each thread, and the result as one line of JSON.
local counter = 0

function setup(thread)
    thread:set("thread_number", counter)
    counter = counter + 1
end

function done(summary, latency, requests)
    io.write(string.format(
        'RESULT {"requests":%d,"seconds":%.6f,"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,' ..
        '"p50":%d,"p95":%d,"p99":%d,"max":%d,"mean":%.1f}\n',
        summary.requests, summary.duration / 1e6, summary.errors.status, summary.errors.connect, summary.errors.read,
        summary.errors.write, summary.errors.timeout, latency:percentile(50), latency:percentile(95),
        latency:percentile(99), latency.max, latency.mean))
end

-- pause makes connections think before each request, about so many milliseconds (none: 0).
function pause(milliseconds)
    if milliseconds > 0 then
        function delay()
            return math.random(0, 2 * milliseconds)
        end
    end
end
