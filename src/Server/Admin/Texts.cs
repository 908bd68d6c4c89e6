namespace Indaba.Server.Admin;

/// <summary>The words of the server's own pages. <c>{0}</c> is what its comment says.</summary>
internal sealed record Texts
{
    public required string Language { get; init; }
    /// <summary>Domain.</summary>
    public required string InvitedTo { get; init; }
    /// <summary>Inviter's address.</summary>
    public required string InvitedBy { get; init; }
    /// <summary>Domain.</summary>
    public required string SetUp { get; init; }
    public required string SetUpMeaning { get; init; }
    /// <summary>Domain.</summary>
    public required string Meaning { get; init; }
    public required string MakeAccount { get; init; }
    public required string Name { get; init; }
    public required string NameHint { get; init; }
    public required string Password { get; init; }
    /// <summary>Number of characters.</summary>
    public required string PasswordHint { get; init; }
    public required string Clear { get; init; }
    public required string HaveApp { get; init; }
    public required string OpenInApp { get; init; }
    public required string Scan { get; init; }
    public required string NoApp { get; init; }
    public required string Ignore { get; init; }
    /// <summary>Time.</summary>
    public required string ValidUntil { get; init; }
    public required string VoidTitle { get; init; }
    public required string Void { get; init; }
    public required string TooManyTitle { get; init; }
    public required string TooMany { get; init; }
    public required string BadName { get; init; }
    /// <summary>Name.</summary>
    public required string Taken { get; init; }
    /// <summary>Number of characters.</summary>
    public required string ShortPassword { get; init; }
    public required string BadPassword { get; init; }
    /// <summary>Address.</summary>
    public required string Welcome { get; init; }
    public required string Made { get; init; }
    public required string Connect { get; init; }
    public required string Address { get; init; }
    public required string Server { get; init; }
    public required string Ports { get; init; }
    public required string SelfSigned { get; init; }
    public required string Apps { get; init; }
    public required string ForThisDevice { get; init; }
    /// <summary>Domain.</summary>
    public required string Runs { get; init; }
    public required string ByInvitation { get; init; }

    public static Texts English { get; } = new()
    {
        Language = "en",
        InvitedTo = "You are invited to {0}",
        InvitedBy = "{0} invites you to chat",
        SetUp = "Set up {0}",
        SetUpMeaning = "The account that you make here is the first one: the administrator.",
        Meaning = "{0} is a messenger that people run themselves. You use it with any app that speaks XMPP; an account is all you need.",
        MakeAccount = "Make your account",
        Name = "Name",
        NameHint = "Letters, digits and . - _; it cannot be changed later.",
        Password = "Password",
        PasswordHint = "{0} characters or more.",
        Clear = "This page is not encrypted: others in the network could read the password. Use the address with https:// if you can.",
        HaveApp = "Do you have an XMPP app already?",
        OpenInApp = "Open in your app",
        Scan = "Or scan this with the app on your phone:",
        NoApp = "If the button does nothing, there is no such app on this device yet: make the account above, or get one of the apps below and come back.",
        Ignore = "If you do not know who sent you this link, simply close the page.",
        ValidUntil = "Valid until {0}",
        VoidTitle = "This invitation is not valid",
        Void = "It was used, it has expired, or the link is incomplete. Ask whoever sent it for a new one.",
        TooManyTitle = "Too many attempts",
        TooMany = "There were too many attempts from your network. Try again in an hour.",
        BadName = "This cannot be a name: take letters, digits and . - _, without spaces.",
        Taken = "The name {0} is taken. Choose another.",
        ShortPassword = "The password is too short: {0} characters are needed.",
        BadPassword = "This password cannot be used: it is empty, too long, or has a character that cannot be typed everywhere.",
        Welcome = "Welcome, {0}",
        Made = "Your account is made.",
        Connect = "Connect your app",
        Address = "Address",
        Server = "Server",
        Ports = "Ports",
        SelfSigned = "The server has signed its certificate itself: the app will ask once whether you trust it.",
        Apps = "Apps",
        ForThisDevice = "for this device",
        Runs = "Indaba runs here for {0}",
        ByInvitation = "Accounts are made by invitation: ask the administrator or a friend who is here for a link.",
    };

    public static Texts Chinese { get; } = new()
    {
        Language = "zh",
        InvitedTo = "邀请您加入 {0}",
        InvitedBy = "{0} 邀请您聊天",
        SetUp = "设置 {0}",
        SetUpMeaning = "在此创建的第一个账号将成为管理员。",
        Meaning = "{0} 是自行运营的即时通讯服务。有了账号，您可以使用任何支持 XMPP 的应用。",
        MakeAccount = "创建账号",
        Name = "用户名",
        NameHint = "可用字母、数字和 . - _，以后不能更改。",
        Password = "密码",
        PasswordHint = "至少 {0} 个字符。",
        Clear = "本页面未加密，同一网络中的其他人可能看到密码。请尽量使用 https:// 开头的地址。",
        HaveApp = "已经有 XMPP 应用？",
        OpenInApp = "在应用中打开",
        Scan = "或用手机上的应用扫描：",
        NoApp = "如果按钮没有反应，说明此设备上还没有这类应用：请在上面创建账号，或安装下列应用之一后再回到本页。",
        Ignore = "如果您不认识发送此链接的人，直接关闭本页即可。",
        ValidUntil = "有效期至 {0}",
        VoidTitle = "邀请无效",
        Void = "邀请已被使用、已过期，或链接不完整。请向发送者索取新的链接。",
        TooManyTitle = "尝试次数过多",
        TooMany = "来自您网络的尝试次数过多，请一小时后再试。",
        BadName = "不能使用这个用户名：请使用字母、数字和 . - _，不含空格。",
        Taken = "用户名 {0} 已被使用，请另选一个。",
        ShortPassword = "密码太短：至少需要 {0} 个字符。",
        BadPassword = "不能使用这个密码：为空、过长，或含有无法在各处输入的字符。",
        Welcome = "欢迎，{0}",
        Made = "账号已创建。",
        Connect = "连接您的应用",
        Address = "地址",
        Server = "服务器",
        Ports = "端口",
        SelfSigned = "服务器使用自签名证书：应用会询问一次是否信任。",
        Apps = "应用",
        ForThisDevice = "适用于此设备",
        Runs = "Indaba 正在为 {0} 提供服务",
        ByInvitation = "账号凭邀请创建：请向管理员或已加入的朋友索取链接。",
    };

    /// <summary>Puts a value in for <c>{0}</c>.</summary>
    public static string With(string text, string value) => text.Replace("{0}", value, StringComparison.Ordinal);
}
