# Echo server on the Ruby gem websocket 1.2, which has handshakes and frames but no sockets: in its
# README every version. usage: websocket-gem.rb PORT
require 'socket'
require 'websocket'

$stdout.sync = true
Thread.report_on_exception = false

# A frame's handler does not know a server's frames from a client's but by its class.
def serve(io)
  handshake = WebSocket::Handshake::Server.new
  handshake << io.readpartial(65_536) until handshake.finished?
  return unless handshake.valid?

  io.write(handshake.to_s)
  incoming = WebSocket::Frame::Incoming::Server.new(version: handshake.version)
  # With keys in two fields the gem gives the eight bytes themselves for what is left over.
  incoming << handshake.leftovers unless handshake.headers.key?('sec-websocket-key1')
  loop do
    while (frame = incoming.next)
      data, type = frame.to_s, frame.type
      type = :pong if type == :ping
      next if frame.type == :pong

      io.write(WebSocket::Frame::Outgoing::Server.new(version: handshake.version, data: data, type: type, code: frame.code).to_s)
      return if type == :close
    end
    return if incoming.error? # it goes on with the next bytes otherwise
    incoming << io.readpartial(65_536)
  end
rescue EOFError, SystemCallError, IOError, WebSocket::Error
  nil
ensure
  io.close
end

server = TCPServer.new('127.0.0.1', ARGV.fetch(0).to_i)
puts 'listening'
loop { Thread.new(server.accept) { |io| serve(io) } }
