-- POSTs of many events as lines of JSON, over some topics: wrk -s publish_ndjson.lua URL -- [BYTES [LINES [TOPICS]]]
function init(arguments)
  local bytes = tonumber(arguments[1] or "256")
  local lines = tonumber(arguments[2] or "100")
  local topics = tonumber(arguments[3] or "10")
  local parts = {}
  for line = 1, lines do
    parts[line] = string.format('{"topic":"wrk-%d","data":"%s"}\n', line % topics, string.rep("x", bytes))
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-ndjson"
  wrk.body = table.concat(parts)
end
