using Indaba.Server.Sessions;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

internal static class Csi
{
    public static void OnNonza(Session session, Element element) { _ = session; _ = element; }
}
