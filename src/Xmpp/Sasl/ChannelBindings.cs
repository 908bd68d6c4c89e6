using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Indaba.Xmpp.Sasl;

/// <summary>The channel bindings that one connection has (RFC 5056, RFC 5929, RFC 9266), as XEP-0440 offers them.</summary>
public sealed class ChannelBindings
{
    /// <summary>The type of RFC 5929 section 4.</summary>
    public const string EndPointType = "tls-server-end-point";

    /// <summary>The type of RFC 9266.</summary>
    public const string ExporterType = "tls-exporter";

    /// <summary>
    /// The type of RFC 5929 section 3, which RFC 5802 section 6.1 makes the default. RFC 9266 forbids it with TLS 1.3, where it
    /// has no definition; clients that know no other (slixmpp) use what OpenSSL gives them all the same.
    /// </summary>
    public const string UniqueType = "tls-unique";

    private readonly (string Type, byte[] Data)[] _bindings;
    private readonly byte[]? _unspoken; // tls-unique under TLS 1.3: accepted, never offered

    /// <summary>Gathers the bindings whose bytes are known; null for those that are not.</summary>
    /// <param name="serverEndPoint">tls-server-end-point.</param>
    /// <param name="exporter">tls-exporter.</param>
    /// <param name="unique">tls-unique.</param>
    /// <param name="tls13">True for TLS 1.3: tls-unique is accepted, but not offered.</param>
    public ChannelBindings(byte[]? serverEndPoint = null, byte[]? exporter = null, byte[]? unique = null, bool tls13 = false)
    {
        var bindings = new List<(string, byte[])>(2);
        if (exporter is not null) bindings.Add((ExporterType, exporter));
        if (serverEndPoint is not null) bindings.Add((EndPointType, serverEndPoint));
        if (unique is not null && !tls13) bindings.Add((UniqueType, unique));
        _unspoken = tls13 ? unique : null;
        _bindings = [.. bindings];
    }

    /// <summary>No binding: the connection is not encrypted, or somebody else ends its TLS.</summary>
    public static ChannelBindings None { get; } = new();

    /// <summary>True when there is none, so no mechanism with channel binding may be offered.</summary>
    public bool IsEmpty => _bindings.Length == 0;

    /// <summary>The types, strongest first.</summary>
    public IEnumerable<string> Types => _bindings.Select(b => b.Type);

    /// <summary>The bytes of a type, or null when the connection does not have it.</summary>
    public byte[]? Get(string type)
    {
        foreach (var binding in _bindings)
        {
            if (binding.Type == type) return binding.Data;
        }
        return type == UniqueType ? _unspoken : null;
    }

    /// <summary>
    /// The tls-server-end-point binding of a certificate (RFC 5929 section 4.1): its hash by the hash function of its
    /// signature, SHA-256 in place of MD5 and SHA-1. Null where the RFC defines none (Ed25519) or the platform has none.
    /// </summary>
    public static byte[]? ServerEndPoint(X509Certificate2 certificate)
    {
        var algorithm = SignatureHash(certificate);
        return algorithm is { } hash ? CryptographicOperations.HashData(hash, certificate.RawDataMemory.Span) : null;
    }

    private static HashAlgorithmName? SignatureHash(X509Certificate2 certificate) => certificate.SignatureAlgorithm.Value switch
    {
        "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1" or "1.2.840.10040.4.3" => HashAlgorithmName.SHA256, // MD5, SHA-1
        "1.2.840.113549.1.1.11" or "1.2.840.10045.4.3.2" or "2.16.840.1.101.3.4.3.2" => HashAlgorithmName.SHA256,
        "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => HashAlgorithmName.SHA384,
        "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => HashAlgorithmName.SHA512,
        "1.2.840.113549.1.1.10" => PssHash(certificate.RawDataMemory),
        _ => null,
    };

    // RSASSA-PSS names its hash in the algorithm's parameters (RFC 4055 section 3.1); the default is SHA-1.
    private static HashAlgorithmName? PssHash(ReadOnlyMemory<byte> der)
    {
        var certificate = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        certificate.ReadEncodedValue(); // tbsCertificate
        var algorithm = certificate.ReadSequence();
        algorithm.ReadObjectIdentifier();
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0);
        if (!algorithm.HasData) return HashAlgorithmName.SHA256;
        var parameters = algorithm.ReadSequence();
        if (!parameters.HasData || !parameters.PeekTag().HasSameClassAndValue(tag)) return HashAlgorithmName.SHA256;
        return parameters.ReadSequence(tag).ReadSequence().ReadObjectIdentifier() switch
        {
            "1.3.14.3.2.26" or "2.16.840.1.101.3.4.2.1" => HashAlgorithmName.SHA256,
            "2.16.840.1.101.3.4.2.2" => HashAlgorithmName.SHA384,
            "2.16.840.1.101.3.4.2.3" => HashAlgorithmName.SHA512,
            _ => null,
        };
    }
}
