-- wrk ... -- FIRST_USER MIX PRODUCTS THREADS THINK_MS: shoppers put 1 to 3 products into their carts and check them out.
-- The answer to the last product names the cart; then the checkout is asked for, on whichever connection is free.
dofile(os.getenv("BENCH_LUA") .. "/bench.lua")

local todo = {}
local first, last = 1, 0
local function push(text)
    last = last + 1
    todo[last] = text
end
local function pop()
    local text = todo[first]
    todo[first] = nil
    first = first + 1
    return text
end

local function post(path, headers, body)
    return "POST " .. path .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n" .. headers ..
        "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

function init(arguments)
    user = tonumber(arguments[1]) + thread_number
    mix = arguments[2]
    products = tonumber(arguments[3])
    step = tonumber(arguments[4])
    pause(tonumber(arguments[5]))
    math.randomseed(thread_number + 1)
    wanted = {}
    if mix == "zipf" then
        weights = {}
        local sum = 0
        for n = 1, products do
            sum = sum + 1 / n
            weights[n] = sum
        end
    end
end

local function product(line)
    if mix == "hot" and line == 1 then
        return 1
    elseif mix ~= "zipf" then
        return math.random(1, products)
    end
    local target = math.random() * weights[products]
    local low, high = 1, products
    while low < high do
        local middle = math.floor((low + high) / 2)
        if weights[middle] <= target then low = middle + 1 else high = middle end
    end
    return low
end

local function add(shopper, line)
    return post("/cart/items", "", '{"userId":' .. shopper .. ',"productId":' .. product(line) .. ',"qty":1}')
end

function request()
    if first <= last then
        return pop()
    end
    local shopper = user
    user = user + step
    wanted[shopper] = shopper % 3
    return add(shopper, 1)
end

function response(status, headers, body)
    local cart, shopper = string.match(body, '^{"cart":{"id":(%d+),"user_id":(%d+)')
    if status ~= 201 or cart == nil then
        return
    end
    shopper = tonumber(shopper)
    if wanted[shopper] > 0 then
        wanted[shopper] = wanted[shopper] - 1
        push(add(shopper, wanted[shopper] + 2))
    else
        wanted[shopper] = nil
        push(post("/checkout", "Idempotency-Key: bench-0000-4000-8000-" .. cart .. "\r\n",
            '{"userId":' .. shopper .. ',"cartId":' .. cart .. "}"))
    end
end
