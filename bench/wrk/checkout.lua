-- wrk ... -- FIRST_CART LAST_CART THREADS THINK_MS: each request checks out a cart of its own, with a key of its own.
dofile(os.getenv("BENCH_LUA") .. "/bench.lua")

function init(arguments)
    next_cart = tonumber(arguments[1]) + thread_number
    last_cart = tonumber(arguments[2])
    step = tonumber(arguments[3])
    pause(tonumber(arguments[4]))
    math.randomseed(thread_number + 1)
end

function request()
    local cart = next_cart
    if cart + step > last_cart then
        wrk.thread:stop()
    else
        next_cart = cart + step
    end
    local body = '{"userId":' .. cart .. ',"cartId":' .. cart .. "}"
    return "POST /checkout HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: bench-0000-4000-8000-" ..
        cart .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end
