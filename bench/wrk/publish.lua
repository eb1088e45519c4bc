-- POSTs of one event's raw data: wrk -s publish.lua URL -- [BYTES]
function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain"
  wrk.body = string.rep("x", tonumber(arguments[1] or "256"))
end
