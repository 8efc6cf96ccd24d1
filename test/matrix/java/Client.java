// One request by one library, set up for no proxy: Client LIBRARY URL.
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;

class Client {
    public static void main(String[] args) throws Exception {
        URI uri = URI.create(args[1]);
        HttpClient client = HttpClient.newHttpClient();
        switch (args[0]) {
            case "url-connection" -> System.out.println(((HttpURLConnection) uri.toURL().openConnection()).getResponseCode());
            case "http-client" -> System.out.println(client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString()).body());
            case "http-client-http1" -> {
                HttpRequest request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1).build();
                System.out.println(client.send(request, BodyHandlers.ofString()).body());
            }
            case "websocket" -> {
                WebSocket socket = client.newWebSocketBuilder()
                    .buildAsync(URI.create("wss://" + uri.getHost() + "/ws"), new WebSocket.Listener() {}).join();
                socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.exit(0);
    }
}
