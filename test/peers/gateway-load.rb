# Clients that always come back, each version one of its own, with the gem websocket: for
# test/gateway. usage: gateway-load.rb URL FROM
# They connect from 127.0.0.FROM and the addresses behind it, say something every 50 ms and
# want it back. A line of JSON for what happens to each, until the program is ended:
#   open; farewell, with the code; lost, where the connection ends in any other way; refused
from = ARGV.delete_at(1).to_i
ARGV[1] = 'mixed'
require_relative 'ruby'
require 'json'

# One connection. Each message comes back, or an end comes in its place.
def stay(client, version)
  (1..).each do |n|
    client.send(:text, "#{version} #{n}") unless client.wait(n == 1 ? 0 : 0.05) # an end has come
    frame = client.receive
    if frame && frame.type == :text
      raise "want #{n}, got #{frame}" unless frame.to_s == "#{version} #{n}"
      next
    end
    return [:farewell, nil] if frame.nil? && version == 'hixie-75'
    return [:lost, "end of stream after #{n}"] if frame.nil?
    raise "want text, got #{frame.type}" unless frame.type == :close
    begin
      client.send(:close, '', frame.code)
    rescue SystemCallError # it has gone already
    end
    return [:farewell, frame.code]
  end
end

LINES = Mutex.new
def say(address, version, event, detail)
  line = JSON.generate(t: (Time.now.to_f * 1000).round, address: address, version: version, event: event, detail: detail)
  LINES.synchronize { puts line }
end

threads = NUMBERS.keys.each_with_index.map do |version, i|
  address = "127.0.0.#{from + i}"
  Thread.new do
    loop do
      begin
        client = nil
        Timeout.timeout(10) { client = Connection.new('/load/echo', [], version, from: address) }
      rescue StandardError => e
        say(address, version, :refused, "#{e.class}: #{e.message}"[0, 200])
        sleep 0.05
        next
      end
      say(address, version, :open, nil)
      begin
        event, detail = stay(client, version)
      rescue SystemCallError, IOError => e
        event, detail = :lost, e.message
      rescue StandardError => e
        event, detail = :wrong, "#{e.class}: #{e.message}"
      end
      say(address, version, event, detail)
      client.close
    end
  end
end
threads.each(&:join)
