# Echo server on Ruby's em-websocket (hixie-75, hixie-76, hybi-02, hybi-05 to -08,
# RFC 6455).
# usage: em-websocket.rb PORT
require 'em-websocket'

$stdout.sync = true
EM.run do
  EM::WebSocket.start(host: '127.0.0.1', port: ARGV.fetch(0).to_i) do |ws|
    ws.onopen do |handshake|
      if handshake.path == '/close'
        code = handshake.query['code']
        ws.close(code && code.to_i, handshake.query['reason'])
      end
    end
    ws.onmessage { |text| ws.send_text(text) }
    ws.onbinary { |data| ws.send_binary(data) }
    ws.onerror { |e| warn "em-websocket: #{e.class}: #{e.message}" }
  end
  puts 'listening'
end
