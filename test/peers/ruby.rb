# Ruby gem websocket 1.2: usage ruby.rb URL VERSION [gateway]
# The gem has handshakes and frames but no sockets; those are here.
# VERSION `mixed` is all versions at once, in the server's broadcast room. With `gateway` a
# gateway and a backend of test/gateway are in its place.
require 'websocket'
require 'socket'
require 'openssl'
require 'timeout'
require 'uri'

$stdout.sync = true
URL = ARGV.fetch(0).sub(%r{/+\z}, '')
VERSION = ARGV.fetch(1)
NUMBERS = { 'hixie-75' => 75, 'hixie-76' => 76, 'hybi-02' => 2, 'hybi-07' => 7, 'hybi-08' => 8, 'rfc6455' => 13 }.freeze
HIXIE = VERSION.start_with?('hixie')
GATEWAY = ARGV[2] == 'gateway'
CODES = !HIXIE && VERSION != 'hybi-02' # before hybi-06 a close says nothing

SIZES = [0, 125, 126, 65_535, 65_536, 1_048_576].freeze
MIXED = "aéßЖ€漢字😀𝄞 ".freeze # 1 to 4 bytes a character
CASE_TIMEOUT = GATEWAY ? 60 : 20 # through a gateway many play at once

def text_of(size)
  ('0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.' * (size / 64 + 1))[0, size]
end

def bytes_of(size)
  Array.new(size) { |i| (i * 7 + (i >> 8)) & 255 }.pack('C*')
end

class Connection
  attr_reader :handshake

  # from is the address to connect from, nil for any.
  def initialize(path, protocols = [], version = VERSION, from: nil)
    @version = version
    @number = NUMBERS.fetch(version)
    uri = URI(URL)
    @io = TCPSocket.new(uri.host, uri.port, from)
    @io.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    if uri.scheme == 'wss'
      context = OpenSSL::SSL::SSLContext.new
      context.verify_mode = OpenSSL::SSL::VERIFY_NONE
      @io = OpenSSL::SSL::SSLSocket.new(@io, context)
      @io.sync_close = true
      @io.connect
    end
    @origin = URL[%r{\Awss?://[^/]+}].sub(/\Aws/, 'http')
    @handshake = WebSocket::Handshake::Client.new(url: URL + path, version: @number, origin: @origin, protocols: protocols)
    # The frames that hybi-02 and -03 share the gem has for 3 only; for 2 it has hixie's.
    @number = 3 if @number == 2
    @frames = WebSocket::Frame::Incoming::Client.new(version: @number)
    shake(path, protocols)
  end

  # Reads the head and, for hixie-76 and hybi-02, 16 bytes, and not one more: the gem would
  # lose a frame that follows, and it strips white space from both ends of the 16 bytes, so
  # that waiting for 16 of them on its side fails one time in twenty.
  def shake(path, protocols)
    @io.write(@handshake.to_s)
    head = +''
    head << (@io.read(1) || raise("end of stream in the head: #{head.inspect}")) until head.end_with?("\r\n\r\n")
    body = ''
    if %w[hixie-76 hybi-02].include?(@version) && head.start_with?('HTTP/1.1 101')
      body = @io.read(16) || ''
      raise "16 bytes expected, got #{body.bytesize}" unless body.bytesize == 16
    end
    @handshake << head + body
    raise "#{@handshake.error}: #{head.inspect} + #{body.unpack1('H*')}" unless @handshake.valid?
    strict(head, path, protocols) if %w[hixie-75 hixie-76 hybi-02].include?(@version)
  end

  # What browsers of the time compare and the gem does not.
  def strict(head, path, protocols)
    prefix = @version == 'hixie-75' ? 'WebSocket' : 'Sec-WebSocket'
    want = { 'Origin' => @origin, 'Location' => URL + path }
    want['Protocol'] = protocols[0] unless protocols.empty?
    want.each do |name, value|
      got = head[/^#{prefix}-#{name}: (.*)\r$/, 1]
      raise "#{prefix}-#{name}: want #{value}, got #{got.inspect}" unless got == value
    end
    raise "wrong Upgrade line: #{head.inspect}" unless head.include?("\r\nUpgrade: WebSocket\r\n")
  end

  def send(type, data, code = nil)
    frame = WebSocket::Frame::Outgoing::Client.new(version: @number, type: type, data: data, code: code)
    bytes = frame.to_s or raise "frame: #{frame.error}"
    @io.write(bytes)
  end

  # Text messages up to the one that is wanted; their list.
  def read_until(want, seen = [])
    until seen.include?(want)
      frame = receive or raise "end of stream, #{want.inspect} not seen"
      raise "want text, got #{frame.type}" unless frame.type == :text
      seen << frame.to_s.b
    end
    seen
  end

  # The next frame, or nil at the end of the stream.
  def receive
    loop do
      frame = @frames.next
      raise "frame: #{@frames.error}" if @frames.error?
      return frame if frame
      begin
        @frames << @io.readpartial(1 << 16)
      rescue EOFError
        return nil
      end
    end
  end

  def expect(type, want)
    got = receive or raise "end of stream, want #{type} of #{want.bytesize}"
    raise "want #{type}, got #{got.type} code #{got.code.inspect}" unless got.type == type
    return if got.to_s.b == want.b
    raise "want #{want.bytesize} bytes #{want[0, 20].inspect}, got #{got.to_s.bytesize} #{got.to_s[0, 20].inspect}"
  end

  def expect_end
    got = receive
    raise "want end of stream, got #{got.type} #{got.to_s[0, 20].inspect}" if got
  end

  def half_close
    @io.is_a?(TCPSocket) ? @io.close_write : @io.__send__(:stop) # TLS: close_notify
  end

  def close
    @io.close
  end

  # Waits until something has come, at most that many seconds.
  def wait(seconds)
    IO.select([@io], nil, nil, seconds)
  end

  # Ends the connection as one that breaks: TCP's RST.
  def break
    tcp = @io.is_a?(TCPSocket) ? @io : @io.to_io
    tcp.setsockopt(Socket::Option.linger(true, 0))
    tcp.close
  end
end

def connect(path, protocols = [])
  c = Connection.new(path, protocols)
  yield c
ensure
  c&.close
end

# Everybody in one room, each with a version of its own: what one says all must get, the
# one who said it too.
def everybody
  all = NUMBERS.keys.to_h { |v| [v, Connection.new('/broadcast', [], v)] }
  all.each do |v, c|
    c.send(:text, "here is #{v}")
    c.read_until("here is #{v}")
  end
  yield all
ensure
  all&.each_value(&:close)
end

def broadcast(all, what)
  wanted = all.keys.map { |v| "#{v}: #{what}".b }
  all.each { |v, c| c.send(:text, "#{v}: #{what}") }
  all.each do |v, c|
    seen = []
    wanted.each { |w| c.read_until(w, seen) }
    got = seen.reject { |m| m.start_with?('here is ') }
    raise "#{v} got #{got.size} of #{wanted.size} messages" unless got.sort == wanted.sort
  end
end

CASES = {}

def mixed_cases
  CASES['broadcast'] = -> { everybody { |all| broadcast(all, 'hello') } }
  CASES['broadcast-utf8'] = -> { everybody { |all| broadcast(all, MIXED) } }
  CASES['broadcast-65536'] = -> { everybody { |all| broadcast(all, text_of(65_536)) } }
  CASES['broadcast-leave'] = lambda do
    everybody do |all|
      all.delete('hixie-76').close
      all.delete('rfc6455').close
      broadcast(all, 'who is left?')
    end
  end
end

def echo(name, type, *messages)
  CASES[name] = lambda do
    connect("/echo?case=#{name}") do |c|
      messages.each { |m| c.send(type, m) }
      messages.each { |m| c.expect(type, m) }
    end
  end
end

def standard_cases
  SIZES.each { |n| echo "text-#{n}", :text, text_of(n) }
  echo 'utf8', :text, MIXED
  echo 'utf8-long', :text, MIXED * 4000
  SIZES.each { |n| echo "binary-#{n}", :binary, bytes_of(n) } unless HIXIE
  echo 'several', :text, *Array.new(50) { |i| "#{i}:#{text_of(i % 5 * 60)}" }

  CASES['subprotocol'] = lambda do
    connect('/echo?case=subprotocol', ['chat']) do |c|
      name = VERSION == 'hixie-75' ? 'websocket-protocol' : 'sec-websocket-protocol'
      got = c.handshake.headers[name]
      raise "want chat, got #{got.inspect}" unless got == 'chat'
    end
  end

  CASES['close-client'] = lambda do
    connect('/echo?case=close-client') do |c|
      if VERSION == 'hixie-75'
        c.half_close # the only close that this version has
      else
        c.send(:close, CODES ? 'done' : '', CODES ? 1000 : nil)
        answer = c.receive or raise 'end of stream without a close frame'
        raise "want close, got #{answer.type}" unless answer.type == :close
        raise "want code 1000, got #{answer.code}" unless !CODES || answer.code == 1000
      end
      c.expect_end
    end
  end

  CASES['close-server'] = lambda do
    connect('/close?code=4001&reason=bye') do |c|
      unless VERSION == 'hixie-75'
        got = c.receive or raise 'end of stream without a close frame'
        raise "want close, got #{got.type}" unless got.type == :close
        raise "want 4001 bye, got #{got.code} #{got}" unless !CODES || [got.code, got.to_s] == [4001, 'bye']
        c.send(:close, CODES ? 'bye' : '', CODES ? 4001 : nil)
      end
      c.expect_end
    end
  end
end

# What only a backend behind a gateway can do. Codes that hybi-07 does not know come as 1002.
def gateway_cases
  scripts = %w[Ελληνικά עברית العربية हिन्दी 日本語 한국어 ไทย 𐍈👩‍💻]
  echo 'scripts', :text, *scripts
  echo_close 'close-4002', 4002, 'au revoir, été' if CODES
  closes 'close-policy', '/close?code=1008&reason=policy', VERSION == 'rfc6455' ? 1008 : 1002, 'policy'
  closes 'backend-lost', '/drop', VERSION == 'rfc6455' ? 1011 : 1002, 'backend: connection lost'
  CASES['client-lost'] = -> { Connection.new('/echo?case=client-lost').break }
  if HIXIE
    closes 'binary-from-backend', '/binary', nil, ''
  else
    CASES['binary-from-backend'] = -> { connect('/binary') { |c| c.expect(:binary, bytes_of(125)) } }
  end
end

def echo_close(name, code, reason)
  CASES[name] = lambda do
    connect("/echo?case=#{name}") do |c|
      c.send(:close, reason, code)
      answer = c.receive or raise 'end of stream without a close frame'
      raise "want #{code}, got #{answer.type} #{answer.code}" unless [answer.type, answer.code] == [:close, code]
    end
  end
end

def closes(name, path, code, reason)
  CASES[name] = lambda do
    connect(path) do |c|
      unless VERSION == 'hixie-75'
        got = c.receive or raise 'end of stream without a close frame'
        raise "want close, got #{got.type}" unless got.type == :close
        raise "want #{code} #{reason}, got #{got.code} #{got}" unless !CODES || [got.code, got.to_s] == [code, reason]
        c.send(:close, CODES ? reason : '', CODES ? code : nil)
      end
      c.expect_end
    end
  end
end

def play
  VERSION == 'mixed' ? mixed_cases : standard_cases
  gateway_cases if GATEWAY
  run_cases
end

def run_cases
  puts "1..#{CASES.size}"
  CASES.each do |name, run|
    begin
      Timeout.timeout(CASE_TIMEOUT) { run.call }
      puts "ok #{name}"
    rescue StandardError => e
      puts "not ok #{name} # #{e.class}: #{e.message.to_s.gsub(/\s+/, ' ')[0, 300]}"
    end
  end
end

play if $PROGRAM_NAME == __FILE__
