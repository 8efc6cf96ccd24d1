import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** One request by each of Java's two clients. */
class Client {
    public static void main(String[] args) throws Exception {
        var uri = URI.create(args[0]);
        var answer = HttpClient.newHttpClient().send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.version() + " " + answer.body());
        var old = (HttpURLConnection) uri.toURL().openConnection();
        System.out.println(new String(old.getInputStream().readAllBytes()));
        System.out.println(System.getProperty("lab.property"));
    }
}
