package incidentscribe.sandbox;

import io.grpc.InsecureServerCredentials;
import io.grpc.ServerBuilder;
import io.grpc.ServerCredentials;
import io.grpc.ServerProvider;
import io.grpc.netty.NettyServerBuilder;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * Makes the gRPC server, through which Kestra's worker fetches its jobs, listen on loopback only. Kestra asks
 * gRPC for a server by port alone, which binds every address; gRPC finds this provider before its own.
 */
public final class LoopbackServerProvider extends ServerProvider {
    @Override
    protected boolean isAvailable() {
        return true;
    }

    @Override
    protected int priority() {
        return 10; // Netty's own says 5
    }

    @Override
    protected ServerBuilder<?> builderForPort(int port) {
        return builder(port, InsecureServerCredentials.create());
    }

    @Override
    protected NewServerBuilderResult newServerBuilderForPort(int port, ServerCredentials credentials) {
        return NewServerBuilderResult.serverBuilder(builder(port, credentials));
    }

    private static ServerBuilder<?> builder(int port, ServerCredentials credentials) {
        return NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), credentials);
    }
}
