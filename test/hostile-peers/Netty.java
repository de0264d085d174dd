import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.*;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.*;
import io.netty.handler.codec.http.websocketx.*;
import io.netty.handler.codec.http.websocketx.extensions.compression.WebSocketServerCompressionHandler;
import io.netty.util.ReferenceCountUtil;

/**
 * Echo server on Netty's WebSocket handlers: hixie-75, hixie-76, hybi-07, hybi-08, RFC 6455.
 * usage: java -cp JARS Netty.java HOST:PORT
 */
public class Netty {
    static final int MOST_BYTES = 1 << 20;

    public static void main(String[] args) throws Exception {
        int colon = args[0].lastIndexOf(':');
        EventLoopGroup loops = new NioEventLoopGroup(2);
        new ServerBootstrap().group(loops).channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                protected void initChannel(SocketChannel c) {
                    c.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(8192), new Doubts(),
                        new WebSocketServerCompressionHandler(),
                        new WebSocketServerProtocolHandler("/", null, true, MOST_BYTES, false, true),
                        new WebSocketFrameAggregator(MOST_BYTES), new Echo(), new Lost());
                }
            })
            .bind(args[0].substring(0, colon), Integer.parseInt(args[0].substring(colon + 1))).sync()
            .channel().closeFuture().sync();
    }

    /** What the decoder found wrong with a request is for the application to look at. */
    static class Doubts extends ChannelInboundHandlerAdapter {
        public void channelRead(ChannelHandlerContext ctx, Object message) {
            if (message instanceof HttpObject && ((HttpObject) message).decoderResult().isFailure()) {
                refuse(ctx, HttpResponseStatus.BAD_REQUEST);
                ReferenceCountUtil.release(message);
            } else {
                ctx.fireChannelRead(message);
            }
        }
    }

    /** A target that no handshake has. */
    static class Lost extends SimpleChannelInboundHandler<FullHttpRequest> {
        protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
            refuse(ctx, HttpResponseStatus.NOT_FOUND);
        }
    }

    static void refuse(ChannelHandlerContext ctx, HttpResponseStatus status) {
        FullHttpResponse answer = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status);
        answer.headers().set("Content-Length", 0).set("Connection", "close");
        ctx.writeAndFlush(answer).addListener(ChannelFutureListener.CLOSE);
    }

    static class Echo extends SimpleChannelInboundHandler<WebSocketFrame> {
        protected void channelRead0(ChannelHandlerContext ctx, WebSocketFrame frame) {
            ctx.writeAndFlush(frame.retain());
        }

        /** What is wrong with a frame ends its connection, as a server of one's own would do it. */
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            ctx.close();
        }
    }
}
