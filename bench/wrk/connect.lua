-- A new connection for each request, which asks for a stream and is given one event: wrk -s connect.lua URL
function init()
  wrk.headers["Accept"] = "text/event-stream"
  wrk.headers["Connection"] = "close"
end
