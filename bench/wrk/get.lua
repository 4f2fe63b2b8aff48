-- wrk ... -- PATH PRODUCTS: GET of one path; PRODUCT in it stands for the number of some product.
dofile(os.getenv("BENCH_LUA") .. "/bench.lua")

function init(arguments)
    path = arguments[1]
    products = tonumber(arguments[2])
    math.randomseed(thread_number + 1)
end

function request()
    return "GET " .. string.gsub(path, "PRODUCT", math.random(1, products)) .. " HTTP/1.1\r\nHost: bench\r\n\r\n"
end
