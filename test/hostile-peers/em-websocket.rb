# Echo server on Ruby's em-websocket: hixie-75, hixie-76, hybi-02, hybi-05 to -08, RFC 6455.
# usage: em-websocket.rb HOST:PORT
require 'em-websocket'

host, _, port = ARGV.fetch(0).rpartition(':')
EM::WebSocket.max_frame_size = 1 << 20
EM.run do
  EM::WebSocket.start(host: host, port: port.to_i) do |ws|
    ws.onmessage { |text| ws.send_text(text) }
    ws.onbinary { |data| ws.send_binary(data) }
    ws.onerror { |e| } # Without one the first wrong frame would end the process.
  end
end
