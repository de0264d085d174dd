%% Echo server on Erlang's mochiweb 3: hixie-76, hybi-07, hybi-08, RFC 6455.
%% usage: erl -noshell -run mochiweb_echo main PORT
-module(mochiweb_echo).
-export([main/1]).

main([Port]) ->
    code:add_path("/usr/lib/erlang/lib/mochiweb/ebin"),
    {ok, _} = mochiweb_http:start([{name, ?MODULE}, {ip, "127.0.0.1"}, {port, list_to_integer(Port)}, {loop, fun request/1}]),
    io:format("listening~n"),
    receive stop -> ok end.

request(Request) ->
    {Reentry, Reply} = mochiweb_websocket:upgrade_connection(Request, fun message/3),
    case mochiweb_request:get(path, Request) of
        "/close" -> Reply(close);
        _ -> Reentry([])
    end.

%% What came in one read comes as one list of messages.
message(Messages, State, Reply) ->
    [Reply(M) || M <- Messages],
    State.
