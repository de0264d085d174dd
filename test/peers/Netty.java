import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.*;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.*;
import io.netty.handler.codec.http.websocketx.*;

/** Echo server on Netty 4: hixie-75, hixie-76, hybi-07, hybi-08, RFC 6455. usage: java -cp JARS Netty PORT */
public class Netty {
    static final int MOST_BYTES = 1 << 21;

    public static void main(String[] args) throws Exception {
        EventLoopGroup loops = new NioEventLoopGroup(1);
        new ServerBootstrap().group(loops).channel(NioServerSocketChannel.class)
            .childOption(ChannelOption.RCVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(1 << 16)) // a short frame is read whole
            .childHandler(new ChannelInitializer<SocketChannel>() {
                protected void initChannel(SocketChannel c) {
                    c.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(8192), new Path(),
                        new WebSocketFrameAggregator(MOST_BYTES), new Echo());
                }
            })
            .bind("127.0.0.1", Integer.parseInt(args[0])).sync().channel().closeFuture().sync();
    }

    /** Accepts any path, and closes where a request asks for that. The handshake repeats the path that it is made with. */
    static class Path extends ChannelInboundHandlerAdapter {
        public void channelRead(ChannelHandlerContext ctx, Object message) {
            if (message instanceof HttpRequest) {
                QueryStringDecoder uri = new QueryStringDecoder(((HttpRequest) message).uri());
                ctx.pipeline().addAfter(ctx.name(), "upgrade", new WebSocketServerProtocolHandler(uri.uri(), null, false, MOST_BYTES));
                if (uri.path().equals("/close")) {
                    ctx.pipeline().addLast(new Closes(uri));
                }
            }
            ctx.fireChannelRead(message);
        }
    }

    static class Closes extends ChannelInboundHandlerAdapter {
        final QueryStringDecoder uri;

        Closes(QueryStringDecoder uri) {
            this.uri = uri;
        }

        public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
            if (event instanceof WebSocketServerProtocolHandler.HandshakeComplete) {
                ctx.writeAndFlush(new CloseWebSocketFrame(Integer.parseInt(uri.parameters().get("code").get(0)), uri.parameters().get("reason").get(0)))
                    .addListener(ChannelFutureListener.CLOSE);
            }
            ctx.fireUserEventTriggered(event);
        }
    }

    static class Echo extends SimpleChannelInboundHandler<WebSocketFrame> {
        protected void channelRead0(ChannelHandlerContext ctx, WebSocketFrame frame) {
            ctx.writeAndFlush(frame.retain());
        }
    }
}
